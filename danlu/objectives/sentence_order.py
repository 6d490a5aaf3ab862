"""Sentence order prediction (ALBERT, Lan et al. 2020), with masked language modelling or alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import field_validator
from torch import Tensor, nn

from danlu.objectives import text_pairs
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import Text, texts, window
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Source


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
class SentenceOrder(Settings):
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
    def fields(self) -> Mapping[str, Fields]:
        return text_pairs.pair_fields("order", self.masked, segments=True)

    @property
    def terms(self) -> tuple[str, ...]:
        return ("order",) if self.masked is None else ("order", "masked")

    @property
    def token_head(self) -> str:
        return "none" if self.masked is None else self.masked.token_head

    @property
    def bounds(self) -> frozenset[str]:
        return frozenset({"sentence"}) | (self.masked.bounds if self.masked else frozenset())

    def example(self, draw: Draw) -> Example:
        pairs, size = [], window(draw)
        for text in texts(draw):
            found = neighbours(text, size - text_pairs.TOGETHER, draw.rng)
            if found is None:
                pairs.append(text_pairs.Pair(text.cut(0, size - text_pairs.APART)))
                continue
            a, b = found
            ordered = bool(draw.rng.random() < 0.5)
            pairs.append(text_pairs.Pair(a, b, 1) if ordered else text_pairs.Pair(b, a, 0))
        pairs = [pair for pair in pairs if len(pair.first)]
        return {"text": text_pairs.together(pairs, draw, self.masked, "order")}

    def parts(self, shape: ModelShape) -> nn.Module:
        return text_pairs.pair_parts(shape, self.masked)

    @property
    def blank_logits(self) -> Callable[[Parts, Any, Tensor], Tensor]:
        return text_pairs.blank_logits(self.masked)

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        return text_pairs.pair_losses(model, parts, batch["text"], "order", text_pairs.sides_together)

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        sides, names = text_pairs.sides_together, ("swapped", "in order")
        return {"figures": text_pairs.pair_figures(model, parts["pair"], batches, "order", sides, names)}
