"""Sentence order prediction (ALBERT, Lan et al. 2020), optionally with masked language modelling."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor, nn

from danlu.batch import Batch, Example, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import text_pairs
from danlu.objectives.sentences.sentence_spans import Sentence, Text, texts_of, unit_size
from danlu.registry import objectives


def count_tokens(sentences: Sequence[Sentence]) -> int:
    """Return the number of tokens of consecutive sentences."""
    return sentences[-1][1] - sentences[0][0]


def draw_neighbours(text: Text, room: int, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Draw two neighbouring spans of complete sentences with at most `room` tokens together; None if there are none.

    The ends of the spans must not reveal their order:

    - A span consists of complete sentences and does not contain the first sentence of its document, which has no white
      space before it.
    - If the spans are too long, sentences are dropped at the outer ends, first from the longer span. Two single
      sentences are truncated instead.
    - Both spans have the same kind of start and of end (`Text.start_kind`, `Text.stop_kind`): sentences at the outer
      ends of another kind are dropped, for example a last sentence without a full stop.
    - Tokens with white space or text between sentences are dropped at the ends of the spans.
    """
    sentences = text.later_sentences
    if len(sentences) < 2 or room < 2:
        return None
    cut = int(rng.integers(1, len(sentences)))
    first, second = sentences[:cut], sentences[cut:]
    while count_tokens(first) + count_tokens(second) > room and len(first) + len(second) > 2:
        if len(second) == 1 or (count_tokens(first) > count_tokens(second) and len(first) > 1):
            first = first[1:]
        else:
            second = second[:-1]
    start_kind, stop_kind = text.start_kind(second[0][0]), text.stop_kind(first[-1][1])
    while first and text.start_kind(first[0][0]) != start_kind:
        first = first[1:]
    while second and text.stop_kind(second[-1][1]) != stop_kind:
        second = second[:-1]
    if not first or not second:
        return None
    a, b = (text.sentence_span(span[0][0], span[-1][1]) for span in (first, second))
    if not len(a) or not len(b):
        return None
    if len(a) + len(b) <= room:
        return a, b
    half = room // 2
    return a.cut(0, max(half, room - len(b))), b.cut(0, max(half, room - len(a)))


@objectives.register
class SentenceOrder(Objective):
    """Predict whether two neighbouring spans of a document are in order or swapped, each with probability 1/2.

    Both are in one sequence [bos] A [eos] B [eos] with segments. `draw_neighbours` ensures that white space and
    punctuation do not reveal the order.
    """

    name: Literal["sentence_order"] = "sentence_order"
    masked: text_pairs.MaskedOption = Masked()

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    example_version: ClassVar[int] = 2

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return text_pairs.pair_streams("order", self.masked, segments=True)

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
        pairs, size = [], unit_size(sample)
        for text in texts_of(sample):
            spans = draw_neighbours(text, size - text_pairs.PAIR_FRAME, sample.rng)
            if spans is None:
                pairs.append(text_pairs.Pair(text.cut(0, size - text_pairs.SINGLE_FRAME)))
                continue
            a, b = spans
            in_order = bool(sample.rng.random() < 0.5)
            pairs.append(text_pairs.Pair(a, b, 1) if in_order else text_pairs.Pair(b, a, 0))
        pairs = [pair for pair in pairs if len(pair.first)]
        return {"text": text_pairs.joint_sequences(pairs, sample, self.masked, "order")}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return text_pairs.pair_heads(shape, self.masked)

    @property
    def fills_blanks(self) -> bool:
        return self.masked is not None

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        if self.masked is None:
            return super().blank_logits(model, head, hidden)
        return self.masked.blank_logits(model, head["masked"], hidden)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return text_pairs.pair_losses(model, head, batch["text"], "order", text_pairs.joint_vectors)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        sides, names = text_pairs.joint_vectors, ("swapped", "in order")
        return {"figures": text_pairs.pair_figures(model, head["pair"], batches, "order", sides, names)}
