"""Sentence order prediction (ALBERT, Lan et al. 2020), with masked language modelling or alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import text_pairs
from danlu.objectives.sentences.sentence_spans import Text, texts, window
from danlu.registry import objectives


def neighbours(text: Text, room: int, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Two neighbouring spans of whole sentences, with at most `room` tokens together; None without two sentences.

    Whole sentences only, since a span that begins or ends inside one would tell its place, and none that begins its
    document, which has no white space before it. What is too long loses sentences where the two do not meet, the longer
    one first; two single sentences lose their ends.
    """
    whole = text.later_sentences
    if len(whole) < 2 or room < 2:
        return None
    cut = int(rng.integers(1, len(whole)))
    low, high = 0, len(whole)
    first, second = whole[:cut], whole[cut:]
    while first[-1][1] - first[0][0] + second[-1][1] - second[0][0] > room and high - low > 2:
        longer = first[-1][1] - first[0][0] > second[-1][1] - second[0][0]
        if len(second) == 1 or (longer and len(first) > 1):
            first, low = first[1:], low + 1
        else:
            second, high = second[:-1], high - 1
    a, b = text.cut(first[0][0], first[-1][1]), text.cut(second[0][0], second[-1][1])
    if len(a) + len(b) <= room:
        return a, b
    half = room // 2
    return a.cut(0, max(half, room - len(b))), b.cut(0, max(half, room - len(a)))


@objectives.register
class SentenceOrder(Objective):
    """Tell whether two neighbouring spans of a document stand in their order or are swapped, each half of the time, in
    one sequence [bos] A [eos] B [eos] with segments. The first sentence of a document is in neither span: it has no
    white space before it, which would tell its place; nor is the last where the document ends in white space.

    masked: settings of a masked objective that hides tokens of the same sequences (a number: its rate); false or 0:
    none, sentences alone.
    """

    name: Literal["sentence_order"] = "sentence_order"
    masked: Masked | None = Masked()

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False

    _masked = field_validator("masked", mode="before")(text_pairs.masked_settings)

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return text_pairs.pair_fields("order", self.masked, segments=True)

    @property
    def terms(self) -> tuple[str, ...]:
        return ("order",) if self.masked is None else ("order", "masked")

    @property
    def logits_from(self) -> LogitsFrom:
        return LogitsFrom.NOTHING if self.masked is None else self.masked.logits_from

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"sentence"}) | (self.masked.boundaries if self.masked else frozenset())

    def example(self, sample: Sample) -> Example:
        pairs, size = [], window(sample)
        for text in texts(sample):
            found = neighbours(text, size - text_pairs.TOGETHER, sample.rng)
            if found is None:
                pairs.append(text_pairs.Pair(text.cut(0, size - text_pairs.APART)))
                continue
            a, b = found
            ordered = bool(sample.rng.random() < 0.5)
            pairs.append(text_pairs.Pair(a, b, 1) if ordered else text_pairs.Pair(b, a, 0))
        pairs = [pair for pair in pairs if len(pair.first)]
        return {"text": text_pairs.together(pairs, sample, self.masked, "order")}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return text_pairs.pair_parts(shape, self.masked)

    @property
    def fills_blanks(self) -> bool:
        return self.masked is not None

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        if self.masked is None:
            return super().blank_logits(model, head, hidden)
        return self.masked.blank_logits(model, head["masked"], hidden)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return text_pairs.pair_losses(model, head, batch["text"], "order", text_pairs.sides_together)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        sides, names = text_pairs.sides_together, ("swapped", "in order")
        return {"figures": text_pairs.pair_figures(model, head["pair"], batches, "order", sides, names)}
