"""GloVe: vectors whose products are logarithms of co-occurrence counts (Pennington et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, pointwise_order
from danlu.errors import WrongInput
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, Units, UnitSource
from danlu.objectives.word_vectors.cooccurrence import Cells, cooccurrence
from danlu.objectives.word_vectors.word_similarity import neighbour_samples, wide
from danlu.objectives.word_vectors.word_windows import training_counts
from danlu.registry import objectives


class ContextAndBiases(nn.Module):
    """One more vector for each token, as the context of others, and a bias for either side."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.context = nn.Embedding(shape.vocabulary_size, shape.width)
        self.bias = nn.Embedding(shape.vocabulary_size, 1)
        self.context_bias = nn.Embedding(shape.vocabulary_size, 1)
        nn.init.normal_(self.context.weight, std=0.02)
        nn.init.zeros_(self.bias.weight)
        nn.init.zeros_(self.context_bias.weight)

    def forward(self, words: Tensor, contexts: Tensor, hidden: Tensor) -> Tensor:
        """ids [T] twice, hidden states of the words [T, width] -> what log count they stand for [T]."""
        product = (hidden * self.context(contexts)).sum(-1)
        return product + self.bias(words).squeeze(-1) + self.context_bias(contexts).squeeze(-1)


@dataclass(frozen=True)
class CellRows(Sequence[Cells]):
    """The cells of a table, so many a unit."""

    cells: Cells
    each: int

    def __len__(self) -> int:
        return -(-len(self.cells) // self.each)

    def __getitem__(self, i: int) -> Cells:  # type: ignore[override]
        part = slice(i * self.each, (i + 1) * self.each)
        return Cells(self.cells.first[part], self.cells.second[part], self.cells.count[part])


@objectives.register
class Glove(Objective):
    """Weighted least squares over the cells of the table of co-occurrence: sum of f(x) (w.c + b + b' - log x)^2 with
    f(x) = (x / most)^power, at most 1.

    window: words at most so far apart in a document count, by 1 / distance. A unit is `unit_cells` cells in an order of
    chance. Held out are cells, one in a hundred each for validation and test, not documents, and with a cell the one of
    its two words the other way round, which has the same count: the loss says how well the rest of the table foretells
    them.
    """

    name: Literal["glove"] = "glove"
    window: PositiveInt = 10
    most: float = Field(default=100.0, gt=0)
    power: float = Field(default=0.75, gt=0, le=1)
    unit_cells: PositiveInt = 4096

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "cells": StreamSpec({"token": np.int64, "context": np.int64}, labels={"glove": np.float32})
    }
    terms: ClassVar[tuple[str, ...]] = ("glove",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"pointwise"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    def units(self, source: UnitSource, split: str) -> Units:
        cells = cooccurrence(source, self.window, split)
        if not len(cells):
            raise WrongInput(f"the text has too few words near each other for {split} cells; give the corpus more text")
        rows = CellRows(cells, self.unit_cells)
        return Units(rows, len(cells) / len(rows))

    def example(self, sample: Sample) -> Example:
        cells: Cells = sample.row()
        n = len(cells)
        inputs = {"token": cells.first, "context": cells.second, "position": np.zeros(n, np.int64)}
        return {"cells": [Seq(inputs, *pointwise_order(n), labels={"glove": np.log(cells.count)})]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ContextAndBiases(shape)

    def errors(self, model: ModelAPI, head: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of the n cells of a batch: f(x) and what is told less log x."""
        cells = batch["cells"]
        logs = cells.labels["glove"]
        there = ~logs.isnan()
        told = wide(head(cells.inputs["token"], cells.inputs["context"], model.hidden(cells)))[there]
        logs = logs[there]
        weight = (self.power * (logs - float(np.log(self.most)))).clamp(max=0).exp()
        return weight, told - logs

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        weight, error = self.errors(model, head, batch)
        return {"glove": (weight * error.square()).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """The share of the weighted variance of held-out log counts that the model explains, where they vary, and the
        neighbours of frequent words."""
        found = [(*self.errors(model, head, batch), batch["cells"].labels["glove"]) for batch in batches]
        weight, error, logs = (torch.cat(column).double() for column in zip(*found, strict=True))
        figures = {}
        if logs.max() > logs.min():
            mean = (weight * logs).sum() / weight.sum()
            unexplained = (weight * error.square()).sum() / (weight * (logs - mean).square()).sum()
            figures = {"explained_variance": 1 - float(unexplained)}
        return {"figures": figures, "samples": neighbour_samples(model, training_counts(source), source)}
