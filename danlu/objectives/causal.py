"""Causal language modelling: each token from those before it (Bengio et al. 2003; Radford et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from danlu.published_heads import CAUSAL_LM, Head
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Seq, causal_order


@objectives.register
class Causal(Settings):
    """Predict the next token. Every step from token to token inside a document is a target exactly once an epoch."""

    name: Literal["causal"] = "causal"

    fields: ClassVar[Mapping[str, Fields]] = {"text": Fields(labels={"causal": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("causal",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"causal"})}
    continues_text: ClassVar[bool] = True
    published_head: ClassVar[Head] = CAUSAL_LM

    def example(self, draw: Draw) -> Example:
        return {
            "text": [
                Seq({"token": piece[:-1]}, causal_order(len(piece) - 1), labels={"causal": piece[1:]})
                for piece in draw.pieces(overlap=1)
            ]
        }

    def parts(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: Parts, parts: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        return {"causal": model.token_loss(model.hidden(text), text.labels["causal"])}
