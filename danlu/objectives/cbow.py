"""Continuous bag of words: a word from the mean of those around it, told from drawn ones (Mikolov et al. 2013)."""

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
    Scored,
    above_noise,
    against,
    neighbour_samples,
    wide,
)
from danlu.objectives.word_vectors.word_windows import offsets, training_counts, word_units
from danlu.registry import objectives


@objectives.register
class Cbow(Objective):
    """The mean of the vectors of the words up to 1 .. `window` places away (the reach is drawn for each word) foretells
    the word between them against `negatives` noise words. A position sees itself alone.

    sample: words with a larger share of the text are thinned out (None: none are); noise_power: noise is drawn by count
    to this power. unit_tokens: tokens a unit, before thinning.
    """

    name: Literal["cbow"] = "cbow"
    window: PositiveInt = 5
    negatives: PositiveInt = 5
    sample: float | None = Field(default=1e-3, gt=0)
    noise_power: float = Field(default=0.75, ge=0, le=1)
    unit_tokens: int = Field(default=2048, ge=2)

    terms: ClassVar[tuple[str, ...]] = ("cbow",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"pointwise"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        """left and right: how many words on either side are in the mean."""
        inputs = {"token": np.int64, "noise": (np.int64, (self.negatives,)), "left": np.int64, "right": np.int64}
        return {"text": StreamSpec(inputs, labels={"cbow": np.int64})}

    def units(self, source: UnitSource, split: str) -> Units:
        return word_units(source, split, self.unit_tokens, self.sample, self.noise_power)

    def example(self, sample: Sample) -> Example:
        row = sample.row().thinned(sample.rng)
        n = len(row.tokens)
        left, right = row.reaches(sample.rng, self.window)
        noise = row.words.draw_noise(sample.rng, (n, self.negatives))
        inputs = {"token": row.tokens, "noise": noise, "left": left, "right": right, "position": np.zeros(n, np.int64)}
        labels = {"cbow": np.where(left + right > 0, row.tokens, -1)}
        return {"text": [Seq(inputs, *pointwise_order(n), labels=labels)]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ContextVectors(shape)

    def scores(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the n positions with a target: of their words [n, 1] and of noise [n, negatives]."""
        text = batch["text"]
        at = text.labels["cbow"] >= 0
        mean = mean_around(model.hidden(text), text.inputs["left"][at], text.inputs["right"][at], at, self.window)
        words = torch.cat([text.labels["cbow"][at][:, None], text.inputs["noise"][at]], 1)
        found = wide(against(head(words), mean))
        return found[:, :1], found[:, 1:]

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        true, noise = self.scores(model, head, batch)
        return {"cbow": F.softplus(-true).sum() + F.softplus(noise).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """How often held-out words score above noise, and the neighbours of frequent words."""

        def scored(batch: Batch) -> Scored:
            text, (true, noise) = batch["text"], self.scores(model, head, batch)
            at = text.labels["cbow"] >= 0
            return Scored(text.labels["cbow"][at][:, None], true, text.inputs["noise"][at], noise)

        return {
            "figures": {"words_above_noise": above_noise(batches, scored)},
            "samples": neighbour_samples(model, training_counts(source), source),
        }


def mean_around(hidden: Tensor, left: Tensor, right: Tensor, at: Tensor, window: int) -> Tensor:
    """[T, width] -> [n, width]: for the n positions where `at` [T], the mean of the `left` [n] rows before and the
    `right` [n] rows behind, of which each has one at least."""
    places = torch.from_numpy(offsets(window)).to(hidden.device)
    inside = (-places <= left[:, None]) & (places <= right[:, None])
    around = (at.nonzero() + places)[inside]
    begins = F.pad(inside.sum(1).cumsum(0), (1, 0))[:-1]
    return F.embedding_bag(around, hidden, begins, mode="mean")
