"""Continuous bag of words: predict a word from the mean of its context, with negative sampling (Mikolov et al. 2013).

Shapes: T positions of a stream, n positions with a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Batch, Example, Seq, StreamSpec, pointwise_order
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.word_vectors.word_similarity import (
    ContextVectors,
    WordScores,
    neighbour_samples,
    noise_products,
    ranking_accuracy,
    upcast,
)
from danlu.objectives.word_vectors.word_windows import offsets, training_counts, word_units
from danlu.registry import objectives


@objectives.register
class Cbow(Objective):
    """Predict each word from the mean vector of its context words, with noise words as negatives.

    The context is up to k words on either side, with k drawn from 1 to `window` for each word. Attention is pointwise:
    the hidden state of a position depends on its own word only.
    """

    name: Literal["cbow"] = "cbow"
    window: PositiveInt = Field(default=5, description="Maximum distance of a context word, in words.")
    negatives: PositiveInt = Field(default=5, description="Noise words per target.")
    sample: float | None = Field(
        default=1e-3,
        gt=0,
        description=("Words whose share of the text is larger than this are subsampled; null keeps all words."),
    )
    noise_power: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description=("Noise words are drawn with probability proportional to their count to this power."),
    )
    unit_tokens: int = Field(default=2048, ge=2, description="Tokens per unit, before subsampling.")

    terms: ClassVar[tuple[str, ...]] = ("cbow",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"pointwise"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        """The stream of words; the inputs `left` and `right` are the numbers of context words on either side."""
        inputs = {"token": np.int64, "noise": (np.int64, (self.negatives,)), "left": np.int64, "right": np.int64}
        return {"text": StreamSpec(inputs, labels={"cbow": np.int64})}

    def units(self, source: UnitSource, split: str) -> Units:
        return word_units(source, split, self.unit_tokens, self.sample, self.noise_power)

    def example(self, sample: Sample) -> Example:
        row = sample.row().subsample(sample.rng)
        n = len(row.tokens)
        left, right = row.context_sizes(sample.rng, self.window)
        noise = row.words.draw_noise(sample.rng, (n, self.negatives))
        inputs = {"token": row.tokens, "noise": noise, "left": left, "right": right, "position": np.zeros(n, np.int64)}
        labels = {"cbow": np.where(left + right > 0, row.tokens, -1)}
        return {"text": [Seq(inputs, *pointwise_order(n), labels=labels)]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ContextVectors(shape)

    def scores(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the scores of the target words [n, 1] and of the noise words [n, negatives]."""
        text = batch["text"]
        at = text.labels["cbow"] >= 0
        mean = context_mean(model.hidden(text), text.inputs["left"][at], text.inputs["right"][at], at, self.window)
        words = torch.cat([text.labels["cbow"][at][:, None], text.inputs["noise"][at]], 1)
        scores = upcast(noise_products(head(words), mean))
        return scores[:, :1], scores[:, 1:]

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        true, noise = self.scores(model, head, batch)
        return {"cbow": F.softplus(-true).sum() + F.softplus(noise).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure how often held-out words score above noise words, and list neighbours of frequent words."""

        def score(batch: Batch) -> WordScores:
            text, (true, noise) = batch["text"], self.scores(model, head, batch)
            at = text.labels["cbow"] >= 0
            return WordScores(text.labels["cbow"][at][:, None], true, text.inputs["noise"][at], noise)

        return {
            "figures": {"words_above_noise": ranking_accuracy(batches, score)},
            "samples": neighbour_samples(model, training_counts(source), source),
        }


def context_mean(hidden: Tensor, left: Tensor, right: Tensor, at: Tensor, window: int) -> Tensor:
    """Return the mean vector of the context words of n selected positions, [n, width].

    Args:
        hidden: word vectors [T, width].
        left: numbers of context words before the selected positions, [n].
        right: numbers of context words after the selected positions, [n]; `left + right` is at least 1.
        at: whether a position is selected, booleans [T].
        window: maximum distance of a context word.
    """
    offset = torch.from_numpy(offsets(window)).to(hidden.device)
    inside = (-offset <= left[:, None]) & (offset <= right[:, None])
    context = (at.nonzero() + offset)[inside]
    starts = F.pad(inside.sum(1).cumsum(0), (1, 0))[:-1]
    return F.embedding_bag(context, hidden, starts, mode="mean")
