"""Masked language modelling: hidden tokens from both sides (Taylor 1953; Devlin et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.registry import objectives
from danlu.settings import Settings
from danlu.tokens.vocabulary import Vocabulary
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Seq, full_order


class MaskedHead(nn.Module):
    """Dense, GELU and norm before the tied vocabulary projection, as in BERT. [T, width] -> [T, width]."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.width, bias=shape.bias)
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon, bias=shape.norm_bias)
        nn.init.normal_(self.dense.weight, std=shape.width**-0.5)
        if shape.bias:
            nn.init.zeros_(self.dense.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.norm(F.gelu(self.dense(hidden)))


@objectives.register
class Masked(Settings):
    """Hide a share of the ordinary tokens and predict them.

    rate: share hidden at the start; final_rate: at the end (the rate moves linearly between them; None: it stays).
    replace: of the hidden positions, how many show the mask token; random: how many show a random ordinary token; the
    rest keep their token (BERT's 80/10/10 by default; replace 1, random 0 is pure masking).
    """

    name: Literal["masked"] = "masked"
    rate: float = Field(default=0.15, gt=0, lt=1)
    final_rate: float | None = Field(default=None, gt=0, lt=1)
    replace: float = Field(default=0.8, ge=0, le=1)
    random: float = Field(default=0.1, ge=0, le=1)

    fields: ClassVar[Mapping[str, Fields]] = {"text": Fields(labels={"masked": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("masked",)
    weights: ClassVar[Mapping[str, float]] = {}
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False

    @model_validator(mode="after")
    def _shares(self) -> Masked:
        if self.replace + self.random > 1:
            raise ValueError(f"replace {self.replace} and random {self.random} add up to more than 1")
        return self

    def example(self, draw: Draw) -> Example:
        rate = self.rate if self.final_rate is None else self.rate + (self.final_rate - self.rate) * draw.progress
        sequences = []
        pieces = draw.pieces()
        for piece, hidden in zip(pieces, choose(pieces, rate, draw.rng, draw.vocabulary), strict=True):
            shown = self.corrupt(piece, hidden, draw.rng, draw.vocabulary)
            labels = np.where(hidden, piece, -1)
            sequences.append(Seq({"token": shown}, full_order(len(piece)), labels={"masked": labels}))
        return {"text": sequences}

    def corrupt(
        self, piece: np.ndarray, hidden: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> np.ndarray:
        """[L]: the piece with its hidden positions masked, replaced or kept; all others as they are."""
        how = rng.random(len(piece))
        strange = vocabulary.draw(rng, len(piece))
        shown = np.where(hidden & (how < self.replace), vocabulary.require_mask(), piece)
        return np.where(hidden & (how >= self.replace) & (how < self.replace + self.random), strange, shown)

    def parts(self, shape: ModelShape) -> nn.Module:
        return MaskedHead(shape)

    def blank_logits(self, model: Parts, parts: nn.Module, hidden: Tensor) -> Tensor:
        """What stands at hidden positions: hidden states [k, width] -> [k, vocabulary]."""
        return model.token_logits(parts(hidden))

    def losses(self, model: Parts, parts: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        at = text.labels["masked"] >= 0
        return {"masked": model.token_loss(parts(model.hidden(text)[at]), text.labels["masked"][at])}


def choose(pieces: list[np.ndarray], rate: float, rng: np.random.Generator, vocabulary: Vocabulary) -> list[np.ndarray]:
    """Which positions of a unit to hide, [L] booleans a piece: each ordinary token with probability `rate`, never a
    special one, and at least one where the unit has an ordinary token at all."""
    ordinary = [vocabulary.ordinary(piece) for piece in pieces]
    hidden = [may & (rng.random(len(may)) < rate) for may in ordinary]
    if not any(h.any() for h in hidden):
        places = [(i, j) for i, may in enumerate(ordinary) for j in np.flatnonzero(may)]
        if places:
            i, j = places[rng.integers(len(places))]
            hidden[i][j] = True
    return hidden
