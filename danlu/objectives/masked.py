"""Masked language modelling: hidden tokens from both sides (Taylor 1953; Devlin et al. 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order
from danlu.hf_heads import MASKED_LM, Head
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample
from danlu.objectives.masked_tokens.masking import LONGEST_SPAN, Places, by_unit
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


class MaskedHead(nn.Module):
    """Dense, activation and norm before the tied vocabulary projection, as in BERT; where the embeddings are narrower,
    it ends there, as in ALBERT and ELECTRA. [T, width] -> [T, embedding width]."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.logit_dim, bias=shape.bias)
        self.norm = nn.LayerNorm(shape.logit_dim, eps=shape.epsilon, bias=shape.norm_bias)
        self.activation = shape.activation
        nn.init.normal_(self.dense.weight, std=shape.width**-0.5)
        if shape.bias:
            nn.init.zeros_(self.dense.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.norm(self.activation(self.dense(hidden)))


@objectives.register
class Masked(Objective):
    """Hide a share of the ordinary tokens and predict them.

    rate: share hidden at the start; final_rate: at the end (the rate moves linearly between them; None: it stays).
    unit: what is hidden together: a token, a whole word (known by its place in the text, whatever the tokenizer), or a
    span, whose length is geometric with mean mean_span and then cut at 10 tokens (a mean of 3 becomes 2.95, one of 10
    becomes 6.5); all tokens of one share their fate. replace: of the hidden positions, how many show the mask token;
    random: how many show a random ordinary token; the rest keep their token (BERT's 80/10/10 by default; replace 1,
    random 0 is pure masking).
    """

    name: Literal["masked"] = "masked"
    rate: float = Field(default=0.15, gt=0, lt=1)
    final_rate: float | None = Field(default=None, gt=0, lt=1)
    unit: Literal["token", "word", "span"] = "token"
    mean_span: float = Field(default=3.0, ge=1, le=LONGEST_SPAN)
    replace: float = Field(default=0.8, ge=0, le=1)
    random: float = Field(default=0.1, ge=0, le=1)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = tuple({"unit": unit} for unit in ("token", "word", "span"))
    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec(labels={"masked": np.int64})}
    terms: ClassVar[tuple[str, ...]] = ("masked",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    hf_head: ClassVar[Head | None] = MASKED_LM
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.OWN_HEAD

    @model_validator(mode="after")
    def _shares(self) -> Masked:
        if self.replace + self.random > 1:
            raise ValueError(f"replace {self.replace} and random {self.random} add up to more than 1")
        return self

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"word"} if self.unit == "word" else ())

    def example(self, sample: Sample) -> Example:
        rate, sequences = self.rate_at(sample.progress), []
        pieces = sample.pieces()
        for piece, places in zip(pieces, by_unit(self.unit, pieces, rate, self.mean_span, sample), strict=True):
            shown = self.corrupt(piece, places, sample.rng, sample.vocabulary)
            labels = np.where(places.hidden, piece, -1)
            sequences.append(Seq({"token": shown}, full_order(len(piece)), labels={"masked": labels}))
        return {"text": sequences}

    def rate_at(self, progress: float) -> float:
        """The share that is hidden when so much of the run is done."""
        return self.rate if self.final_rate is None else self.rate + (self.final_rate - self.rate) * progress

    def corrupt(
        self, piece: np.ndarray, places: Places, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> np.ndarray:
        """[L]: the piece with its hidden groups masked, replaced or kept; all others as they are."""
        how = rng.random(int(places.group.max(initial=-1)) + 1)[places.group]
        strange = vocabulary.draw(rng, len(piece))
        shown = np.where(places.hidden & (how < self.replace), vocabulary.require_mask(), piece)
        return np.where(places.hidden & (how >= self.replace) & (how < self.replace + self.random), strange, shown)

    def build_head(self, shape: ModelShape) -> nn.Module:
        return MaskedHead(shape)

    def blank_logits(self, model: ModelAPI, head: nn.Module, hidden: Tensor) -> Tensor:
        """What stands at hidden positions: hidden states [k, width] -> [k, vocabulary]."""
        return model.token_logits(head(hidden), LogitsFrom.OWN_HEAD)

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        at = (text.labels["masked"] >= 0).nonzero().squeeze(1)
        predictions = head(model.hidden(text)[at])
        return {"masked": model.token_loss(predictions, text.labels["masked"][at], LogitsFrom.OWN_HEAD)}
