"""Causal language modelling: predict each token from the tokens before it (Bengio et al. 2003; Radford et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, causal_order
from danlu.hf_heads import CAUSAL_LM, Head
from danlu.objective import ModelAPI, ModelShape, Objective, Sample
from danlu.registry import objectives


@objectives.register
class Causal(Objective):
    """Predict the next token. Every token of a document except the first is a target exactly once per epoch."""

    name: Literal["causal"] = "causal"

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"causal": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("causal",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"causal"})}
    continues_text: ClassVar[bool] = True
    hf_head: ClassVar[Head | None] = CAUSAL_LM

    def example(self, sample: Sample) -> Example:
        return {
            "text": [
                Seq({"token": piece[:-1]}, causal_order(len(piece) - 1), labels={"causal": piece[1:]})
                for piece in sample.pieces(overlap=1)
            ]
        }

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Module()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        return {"causal": model.token_loss(model.hidden(text), text.labels["causal"])}
