"""Permutation language modelling: predict tokens in a random order (XLNet, Yang et al. 2019).

Shapes: n tokens and k targets of a piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from danlu.batch import HIDDEN_KEY, Batch, Example, Seq, StreamSpec
from danlu.objective import ModelAPI, ModelShape, Objective, Sample
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class Permutation(Objective):
    """Draw a random order for each piece and predict its last tokens from all earlier ones.

    XLNet's two streams form one sequence here: first the n tokens, each of which attends to itself and to tokens of
    lower rank, then one query position for each target. A query position has the position of its target but the mask
    token instead of the target, attends to all tokens of lower rank, and is never attended to.
    """

    name: Literal["permutation"] = "permutation"
    share: float = Field(default=1 / 6, gt=0, le=1, description="Share of each piece that is predicted.")

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"permuted": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("permuted",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"any"})}
    continues_text: ClassVar[bool] = False

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(piece, sample.rng, sample.vocabulary) for piece in sample.pieces()]}

    def sequence(self, piece: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary) -> Seq:
        """Return the n tokens of a piece and its k query positions as one sequence."""
        n = len(piece)
        rank = rng.permutation(n)
        predicted = rank >= n - max(1, round(self.share * n))
        targets = np.flatnonzero(predicted & vocabulary.ordinary(piece))
        k = len(targets)
        return Seq(
            {
                "token": np.concatenate([piece, np.full(k, vocabulary.require_mask())]),
                "position": np.concatenate([np.arange(n), targets]),
            },
            key=np.concatenate([rank, np.full(k, HIDDEN_KEY)]),
            query=np.concatenate([rank, rank[targets] - 1]),
            labels={"permuted": np.concatenate([np.full(n, -1), piece[targets]])},
        )

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        return {"permuted": model.token_loss(model.hidden(text), text.labels["permuted"])}
