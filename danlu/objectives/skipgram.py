"""Skip-gram with negative sampling: predict the context words of each word (Mikolov et al. 2013).

Shapes: T positions of a stream.
"""

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
    WordScores,
    band_products,
    neighbour_samples,
    noise_products,
    ranking_accuracy,
    upcast,
)
from danlu.objectives.word_vectors.word_windows import context_words, training_counts, word_units
from danlu.registry import objectives


@objectives.register
class Skipgram(Objective):
    """Predict the context words of each word, with noise words as negatives.

    The context is up to k words on either side, with k drawn from 1 to `window` for each word. Attention is pointwise:
    the hidden state of a position is the vector of its word.
    """

    name: Literal["skipgram"] = "skipgram"
    window: PositiveInt = Field(default=5, description="Maximum distance of a context word, in words.")
    negatives: PositiveInt = Field(default=5, description="Noise words per pair of words.")
    noise: PositiveInt = Field(
        default=5,
        description=(
            "Noise words drawn per position and shared by all its pairs. They are weighted so that each pair has "
            "`negatives` noise words in total; the expected loss equals that with separate noise words for each pair."
        ),
    )
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
        row = sample.row().subsample(sample.rng)
        n = len(row.tokens)
        left, right = row.context_sizes(sample.rng, self.window)
        context = context_words(row.tokens, left, right, self.window)
        noise = row.words.draw_noise(sample.rng, (n, self.noise))
        inputs = {"token": row.tokens, "noise": noise, "position": np.zeros(n, np.int64)}
        return {"text": [Seq(inputs, *pointwise_order(n), labels={"skipgram": context})]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ContextVectors(shape)

    def scores(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the scores of pairs [T, 2 window], undefined if there is no pair, and of noise words [T, noise]."""
        text = batch["text"]
        hidden = model.hidden(text)
        true = band_products(hidden, head(text.inputs["token"]), self.window)
        return upcast(true), upcast(noise_products(head(text.inputs["noise"]), hidden))

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        true, noise = self.scores(model, head, batch)
        present = batch["text"].labels["skipgram"] >= 0
        pairs = present.sum(1, keepdim=True) * (self.negatives / self.noise)
        return {"skipgram": F.softplus(-true[present]).sum() + (pairs * F.softplus(noise)).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure how often held-out pairs score above noise pairs, and list neighbours of frequent words."""

        def score(batch: Batch) -> WordScores:
            text, (true, noise) = batch["text"], self.scores(model, head, batch)
            return WordScores(text.labels["skipgram"], true, text.inputs["noise"], noise)

        return {
            "figures": {"pairs_above_noise": ranking_accuracy(batches, score)},
            "samples": neighbour_samples(model, training_counts(source), source),
        }
