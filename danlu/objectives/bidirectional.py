"""Two causal language models, one in each direction (ELMo, Peters et al. 2018).

Shapes: T positions of a stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, causal_order
from danlu.objective import ModelAPI, ModelShape, Objective, Sample
from danlu.registry import objectives


class Backward(nn.Module):
    """The backbone that reads from right to left."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        if shape.backbone is None:
            raise ValueError("bidirectional needs a model shape that can build a second backbone")
        self.backbone = shape.backbone()


@objectives.register
class Bidirectional(Objective):
    """Predict each token from the tokens before it and, with a second backbone, from the tokens after it.

    The model's backbone reads forward, and a second backbone of the same architecture reads backward; they share the
    embeddings and the softmax. Unlike a single backbone with full attention, neither sees the token that it predicts.
    """

    name: Literal["bidirectional"] = "bidirectional"

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "forward": StreamSpec(labels={"forward": np.int64}),
        "backward": StreamSpec(labels={"backward": np.int64}),
    }
    terms: ClassVar[tuple[str, ...]] = ("forward", "backward")
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"causal"})}
    continues_text: ClassVar[bool] = True

    def example(self, sample: Sample) -> Example:
        pieces = sample.pieces(overlap=1)
        directions = {"forward": pieces, "backward": [piece[::-1] for piece in pieces]}
        return {name: [next_token_sequence(ids, name) for ids in texts] for name, texts in directions.items()}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return Backward(shape)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        forward, backward = batch["forward"], batch["backward"]
        states = head.backbone(model.embed(backward), backward)
        return {
            "forward": model.token_loss(model.hidden(forward), forward.labels["forward"]),
            "backward": model.token_loss(states, backward.labels["backward"]),
        }

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Return the hidden states of both directions, concatenated: [T, 2 width]."""
        mirrored = reverse_positions(text)
        backward = head.backbone(model.embed(text, token=text.inputs["token"][mirrored]), text)
        return torch.cat([model.hidden(text), backward[mirrored]], 1)


def next_token_sequence(ids: np.ndarray, label: str) -> Seq:
    """Turn n + 1 tokens into n positions, each with the next token as its target."""
    return Seq({"token": ids[:-1]}, causal_order(len(ids) - 1), labels={label: ids[1:]})


def reverse_positions(text: Stream) -> Tensor:
    """Return the permutation [T] that reverses each sequence of a stream."""
    sequence = text.sequence
    return text.offsets[sequence] + text.offsets[sequence + 1] - 1 - torch.arange(len(sequence), device=sequence.device)
