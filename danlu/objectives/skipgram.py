"""Skip-gram with negative sampling: the words around a word, told from drawn ones (Mikolov et al. 2013)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
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
    banded,
    neighbour_samples,
    wide,
)
from danlu.objectives.word_vectors.word_windows import contexts, training_counts, word_units
from danlu.registry import objectives


@objectives.register
class Skipgram(Objective):
    """Each word foretells the words up to 1 .. `window` places away (the reach is drawn for each word) against
    `negatives` noise words a pair. A position sees itself alone, so its hidden state is the vector of its word.

    noise: words drawn for a position, which its pairs share, each counted so often that a pair meets `negatives` in
    all; the expected loss is that of noise drawn for each pair. sample: words with a larger share of the text are
    thinned out (None: none are); noise_power: noise is drawn by count to this power.
    unit_tokens: tokens a unit, before thinning.
    """

    name: Literal["skipgram"] = "skipgram"
    window: PositiveInt = 5
    negatives: PositiveInt = 5
    noise: PositiveInt = 5
    sample: float | None = Field(default=1e-3, gt=0)
    noise_power: float = Field(default=0.75, ge=0, le=1)
    unit_tokens: int = Field(default=2048, ge=2)

    terms: ClassVar[tuple[str, ...]] = ("skipgram",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"pointwise"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        inputs = {"token": np.int64, "noise": (np.int64, (self.noise,))}
        return {"text": StreamSpec(inputs, labels={"skipgram": (np.int64, (2 * self.window,))})}

    def units(self, source: UnitSource, split: str) -> Units:
        return word_units(source, split, self.unit_tokens, self.sample, self.noise_power)

    def example(self, sample: Sample) -> Example:
        row = sample.row().thinned(sample.rng)
        n = len(row.tokens)
        left, right = row.reaches(sample.rng, self.window)
        around = contexts(row.tokens, left, right, self.window)
        noise = row.words.draw_noise(sample.rng, (n, self.noise))
        inputs = {"token": row.tokens, "noise": noise, "position": np.zeros(n, np.int64)}
        return {"text": [Seq(inputs, *pointwise_order(n), labels={"skipgram": around})]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ContextVectors(shape)

    def scores(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of true pairs [T, 2 window] (of no meaning where there is none) and of noise [T, noise]."""
        text = batch["text"]
        hidden = model.hidden(text)
        true = banded(hidden, head(text.inputs["token"]), self.window)
        return wide(true), wide(against(head(text.inputs["noise"]), hidden))

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        true, noise = self.scores(model, head, batch)
        there = batch["text"].labels["skipgram"] >= 0
        pairs = there.sum(1, keepdim=True) * (self.negatives / self.noise)
        return {"skipgram": F.softplus(-true[there]).sum() + (pairs * F.softplus(noise)).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """How often held-out pairs score above noise, and the neighbours of frequent words."""

        def scored(batch: Batch) -> Scored:
            text, (true, noise) = batch["text"], self.scores(model, head, batch)
            return Scored(text.labels["skipgram"], true, text.inputs["noise"], noise)

        return {
            "figures": {"pairs_above_noise": above_noise(batches, scored)},
            "samples": neighbour_samples(model, training_counts(source), source),
        }
