"""Permutation language modelling: tokens from those before them in a random order (XLNet, Yang et al. 2019)."""

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
    """Each document piece gets an order of its own; the last `share` of it is predicted, each token from all that come
    earlier in that order, wherever they stand.

    XLNet's two streams are one sequence here: the tokens, of which position i sees those of no higher rank, and after
    them one asking position for each target, which stands where its token stands, holds the mask token, sees every
    token of lower rank, and is seen by nobody.
    """

    name: Literal["permutation"] = "permutation"
    share: float = Field(default=1 / 6, gt=0, le=1)

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"permuted": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("permuted",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"any"})}
    continues_text: ClassVar[bool] = False

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(piece, sample.rng, sample.vocabulary) for piece in sample.pieces()]}

    def sequence(self, piece: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary) -> Seq:
        """The tokens of a piece [n] and its k asking positions: n + k positions."""
        n = len(piece)
        rank = rng.permutation(n)
        last = rank >= n - max(1, round(self.share * n))
        asked = np.flatnonzero(last & vocabulary.ordinary(piece))
        k = len(asked)
        return Seq(
            {
                "token": np.concatenate([piece, np.full(k, vocabulary.require_mask())]),
                "position": np.concatenate([np.arange(n), asked]),
            },
            key=np.concatenate([rank, np.full(k, HIDDEN_KEY)]),
            query=np.concatenate([rank, rank[asked] - 1]),
            labels={"permuted": np.concatenate([np.full(n, -1), piece[asked]])},
        )

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        return {"permuted": model.token_loss(model.hidden(text), text.labels["permuted"])}
