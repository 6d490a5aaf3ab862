"""GloVe: word vectors whose inner products predict log co-occurrence counts (Pennington et al. 2014).

Shapes: T positions of a stream, one for each cell of the table; n cells with a target.
"""

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
from danlu.objectives.word_vectors.word_similarity import neighbour_samples, upcast
from danlu.objectives.word_vectors.word_windows import training_counts
from danlu.registry import objectives


class ContextAndBiases(nn.Module):
    """Context vectors and two biases per token."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.context = nn.Embedding(shape.vocabulary_size, shape.width)
        self.bias = nn.Embedding(shape.vocabulary_size, 1)
        self.context_bias = nn.Embedding(shape.vocabulary_size, 1)
        nn.init.normal_(self.context.weight, std=0.02)
        nn.init.zeros_(self.bias.weight)
        nn.init.zeros_(self.context_bias.weight)

    def forward(self, words: Tensor, contexts: Tensor, hidden: Tensor) -> Tensor:
        """Return the predicted log counts [T] of words and contexts [T] from the words' hidden states [T, width]."""
        product = (hidden * self.context(contexts)).sum(-1)
        return product + self.bias(words).squeeze(-1) + self.context_bias(contexts).squeeze(-1)


@dataclass(frozen=True)
class CellRows(Sequence[Cells]):
    """The cells of a co-occurrence table, grouped into units."""

    cells: Cells
    cells_per_unit: int

    def __len__(self) -> int:
        return -(-len(self.cells) // self.cells_per_unit)

    def __getitem__(self, i: int) -> Cells:  # type: ignore[override]
        part = slice(i * self.cells_per_unit, (i + 1) * self.cells_per_unit)
        return Cells(self.cells.first[part], self.cells.second[part], self.cells.count[part])


@objectives.register
class Glove(Objective):
    """Predict the logarithms of co-occurrence counts by weighted least squares over the cells of the table.

    The loss is the sum of f(x) (w.c + b + b' - log x)^2 with f(x) = min(1, (x / most)^power). Held-out data are cells
    of the table instead of documents: 1% each for validation and test. The two cells of a pair of words, which have
    the same count, are always in the same split.
    """

    name: Literal["glove"] = "glove"
    window: PositiveInt = Field(
        default=10, description="Maximum distance of a context word, in words; a pair has the count 1 / distance."
    )
    most: float = Field(default=100.0, gt=0, description="Cells with this count or more have weight 1.")
    power: float = Field(default=0.75, gt=0, le=1, description="Exponent of the weight of smaller counts.")
    unit_cells: PositiveInt = Field(default=4096, description="Cells per unit, in random order.")

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
            raise WrongInput(f"the corpus has too few co-occurring words for {split} cells; add text to it")
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
        """Return the weights f(x) [n] and the errors [n], predicted minus true log counts, of the cells of a batch."""
        cells = batch["cells"]
        logs = cells.labels["glove"]
        present = ~logs.isnan()
        predicted = upcast(head(cells.inputs["token"], cells.inputs["context"], model.hidden(cells)))[present]
        logs = logs[present]
        weight = (self.power * (logs - float(np.log(self.most)))).clamp(max=0).exp()
        return weight, predicted - logs

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        weight, error = self.errors(model, head, batch)
        return {"glove": (weight * error.square()).sum()}

    def judge(self, model: ModelAPI, head: nn.Module, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure the explained share of the weighted variance of held-out log counts, and list nearest neighbours.

        The share is omitted if all log counts are equal.
        """
        rows = [(*self.errors(model, head, batch), batch["cells"].labels["glove"]) for batch in batches]
        weight, error, logs = (torch.cat(column).double() for column in zip(*rows, strict=True))
        figures = {}
        if logs.max() > logs.min():
            mean = (weight * logs).sum() / weight.sum()
            unexplained = (weight * error.square()).sum() / (weight * (logs - mean).square()).sum()
            figures = {"explained_variance": 1 - float(unexplained)}
        return {"figures": figures, "samples": neighbour_samples(model, training_counts(source), source)}
