"""Prefix language modelling: full attention in a prefix, causal after it (Liu et al. 2018; Raffel et al. 2020).

Shapes: n positions of a piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.objective import ModelAPI, ModelShape, Objective, Sample
from danlu.registry import objectives


@objectives.register
class Prefix(Objective):
    """Predict every token after a prefix of random length from all tokens before it."""

    name: Literal["prefix"] = "prefix"
    shortest: float = Field(default=0.0, ge=0, le=1, description="Minimum share of a piece that is the prefix.")
    longest: float = Field(default=0.7, ge=0, le=1, description="Maximum share of a piece that is the prefix.")

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"continued": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("continued",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"any"})}
    continues_text: ClassVar[bool] = True

    @model_validator(mode="after")
    def _ordered(self) -> Prefix:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} exceeds longest {self.longest}; lower it")
        return self

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(piece, sample.rng) for piece in sample.pieces(overlap=1) if len(piece) > 1]}

    def sequence(self, piece: np.ndarray, rng: np.random.Generator) -> Seq:
        """Turn a piece of n + 1 tokens into n positions; the prefix has at least one and leaves at least one target."""
        n = len(piece) - 1
        share = self.shortest + (self.longest - self.shortest) * rng.random()
        prefix = min(max(1, round(share * n)), n)
        order = np.maximum(np.arange(n) - prefix + 1, 0)
        labels = np.where(np.arange(n) >= prefix - 1, piece[1:], -1)
        return Seq({"token": piece[:-1]}, order, labels={"continued": labels})

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        return {"continued": model.token_loss(model.hidden(text), text.labels["continued"])}
