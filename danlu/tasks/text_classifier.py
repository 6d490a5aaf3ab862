"""A classifier as it is kept and used: its labels, and how a text is given to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch

from danlu.packing import pack
from danlu.settings import Settings
from danlu.tasks.classify import Classification, EncodedRow, framed
from danlu.tasks.predictors import heads
from danlu.tokens.tokenizer import TextTokenizer

BATCH_TOKENS = 8192


@heads.register
class TextClassifier(Settings):
    """One of `classes` for a text, of which the first max_tokens tokens are read; full: whether positions see both
    sides."""

    name: Literal["classify"] = "classify"
    classes: list[str]
    full: bool
    max_tokens: int
    dropout: float = 0.1

    def objective(self) -> Classification:
        return Classification(classes=len(self.classes), full=self.full, dropout=self.dropout)

    @torch.no_grad()
    def answer(self, model: Any, tokenizer: TextTokenizer, texts: Sequence[str]) -> list[dict[str, float]]:
        """{label: probability} of each text, the likeliest first."""
        objective, found = self.objective(), {}
        rows = [EncodedRow(ids, -1) for ids in framed(texts, tokenizer, self.max_tokens)]
        for numbers in batches([len(row.ids) for row in rows]):
            batch = pack([objective.sequences(rows[i]) for i in numbers], objective.streams, numbers)
            chances = objective.scores(model, model.head, batch.to(model.device)).double().softmax(1).cpu().numpy()
            found |= dict(zip(numbers, chances, strict=True))
        return [self.ranked(found[i]) for i in range(len(rows))]

    def ranked(self, chances: np.ndarray) -> dict[str, float]:
        order = np.argsort(-chances, kind="stable")
        return {self.classes[i]: float(chances[i]) for i in order}


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Numbers of texts in their order, as many together as fit in `BATCH_TOKENS` (at least one)."""
    batch: list[int] = []
    for i, length in enumerate(lengths):
        if batch and sum(lengths[k] for k in batch) + length > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
