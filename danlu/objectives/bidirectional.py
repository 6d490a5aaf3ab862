"""Two language models, one from each side (ELMo, Peters et al. 2018)."""

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
            raise ValueError("a second direction needs an architecture to make it of")
        self.backbone = shape.backbone()


@objectives.register
class Bidirectional(Objective):
    """Each token from those before it, by the model's backbone, and from those behind it, by a second one of the same
    make; both share the embeddings and the softmax. Neither sees the token it predicts, which one network that reads
    both sides at once would."""

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
        sides = {"forward": pieces, "backward": [piece[::-1] for piece in pieces]}
        return {side: [shifted(ids, side) for ids in found] for side, found in sides.items()}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return Backward(shape)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        forward, backward = batch["forward"], batch["backward"]
        read = head.backbone(model.embed(backward), backward)
        return {
            "forward": model.token_loss(model.hidden(forward), forward.labels["forward"]),
            "backward": model.token_loss(read, backward.labels["backward"]),
        }

    def text_states(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """What both directions have read at each position of whole texts, side by side: [T, 2 width]."""
        turned = turned_around(text)
        backward = head.backbone(model.embed(text, token=text.inputs["token"][turned]), text)
        return torch.cat([model.hidden(text), backward[turned]], 1)


def shifted(ids: np.ndarray, label: str) -> Seq:
    """n + 1 tokens as n positions, each with its next as the target."""
    return Seq({"token": ids[:-1]}, causal_order(len(ids) - 1), labels={label: ids[1:]})


def turned_around(text: Stream) -> Tensor:
    """[T]: for each position the one that stands there when its sequence is read from the other end."""
    of = text.sequence
    return text.offsets[of] + text.offsets[of + 1] - 1 - torch.arange(len(of), device=of.device)
