"""Masked language modelling: predict hidden tokens from both sides (Taylor 1953; Devlin et al. 2019).

Shapes: L positions of one sequence, T positions of a stream, k selected positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order
from danlu.hf_heads import MASKED_LM, Head
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample
from danlu.objectives.masked_tokens.masking import LONGEST_SPAN, HiddenPositions, hide_units
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


class MaskedHead(nn.Module):
    """Dense layer, activation and norm before the vocabulary projection, as in BERT.

    Shapes: [T, width] -> [T, embedding width].

    If the embeddings are narrower than the hidden states, the dense layer projects to their width, as in ALBERT and
    ELECTRA.
    """

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
    """Hide a share of the ordinary tokens and predict them."""

    name: Literal["masked"] = "masked"
    rate: float = Field(
        default=0.15, gt=0, lt=1, description="Share of ordinary tokens that are hidden, at the start of the run."
    )
    final_rate: float | None = Field(
        default=None, gt=0, lt=1, description="Share at the end of the run, reached linearly; null for a constant rate."
    )
    unit: Literal["token", "word", "span"] = Field(
        default="token",
        description=(
            "What is hidden as a whole: a token, a word (found in the text, independent of the tokenizer), or a span. "
            "All its tokens are masked, replaced or kept together."
        ),
    )
    mean_span: float = Field(
        default=3.0,
        ge=1,
        le=LONGEST_SPAN,
        description=(
            "Mean of the geometric distribution of span lengths, truncated at 10 tokens (a mean of 3 becomes 2.95, one "
            "of 10 becomes 6.5)."
        ),
    )
    replace: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description=("Share of hidden positions that are replaced by the mask token."),
    )
    random: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description=("Share of hidden positions that are replaced by a random ordinary token; the rest are unchanged."),
    )

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
            raise ValueError(f"replace {self.replace} and random {self.random} sum to more than 1; lower one of them")
        return self

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"word"} if self.unit == "word" else ())

    def example(self, sample: Sample) -> Example:
        rate, sequences = self.rate_at(sample.progress), []
        pieces = sample.pieces()
        for piece, positions in zip(pieces, hide_units(self.unit, pieces, rate, self.mean_span, sample), strict=True):
            tokens = self.corrupt(piece, positions, sample.rng, sample.vocabulary)
            labels = np.where(positions.hidden, piece, -1)
            sequences.append(Seq({"token": tokens}, full_order(len(piece)), labels={"masked": labels}))
        return {"text": sequences}

    def rate_at(self, progress: float) -> float:
        """Return the share of tokens to hide when the fraction `progress` of training is done."""
        return self.rate if self.final_rate is None else self.rate + (self.final_rate - self.rate) * progress

    def corrupt(
        self, piece: np.ndarray, positions: HiddenPositions, rng: np.random.Generator, vocabulary: Vocabulary
    ) -> np.ndarray:
        """Return a piece [L] in which hidden units are masked, replaced by random tokens or unchanged."""
        action = rng.random(int(positions.group.max(initial=-1)) + 1)[positions.group]
        random_tokens = vocabulary.draw(rng, len(piece))
        masked = np.where(positions.hidden & (action < self.replace), vocabulary.require_mask(), piece)
        randomised = positions.hidden & (action >= self.replace) & (action < self.replace + self.random)
        return np.where(randomised, random_tokens, masked)

    def build_head(self, shape: ModelShape) -> nn.Module:
        return MaskedHead(shape)

    def blank_logits(self, model: ModelAPI, head: nn.Module, hidden: Tensor) -> Tensor:
        """Return the logits [k, vocabulary] of hidden positions from their hidden states [k, width]."""
        return model.token_logits(head(hidden), LogitsFrom.OWN_HEAD)

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        at = (text.labels["masked"] >= 0).nonzero().squeeze(1)
        predictions = head(model.hidden(text)[at])
        return {"masked": model.token_loss(predictions, text.labels["masked"][at], LogitsFrom.OWN_HEAD)}
