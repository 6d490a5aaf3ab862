"""Classification metrics.

Shapes: n rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from danlu.metrics.metric import Metric, require_pairs
from danlu.metrics.table import DetailTable
from danlu.registry import metrics


def confusion(labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Return the confusion matrix of labels [n] and predictions [n], [classes, classes] int64.

    Rows are labels, columns predictions. The classes are those that occur in either, sorted.
    """
    n = require_pairs(labels, predictions)
    classes, number = np.unique(np.concatenate([np.asarray(labels), np.asarray(predictions)]), return_inverse=True)
    table = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(table, (number[:n], number[n:]), 1)
    return table


def confusion_table(labels: Sequence[str], predictions: Sequence[str]) -> DetailTable:
    """Return the confusion matrix: one row per true class, one column per predicted class."""
    classes = class_names(labels, predictions)
    counts = confusion(labels, predictions).tolist()
    return DetailTable(tuple(classes), {name: tuple(row) for name, row in zip(classes, counts, strict=True)})


def class_names(labels: Sequence[str], predictions: Sequence[str]) -> list[str]:
    """Return the classes that occur among the labels or the predictions, sorted."""
    return np.unique(np.concatenate([np.asarray(labels), np.asarray(predictions)])).tolist()


def per_class_table(labels: Sequence[str], predictions: Sequence[str]) -> DetailTable:
    """Return precision, recall, F1 and number of rows of each class; a ratio with a zero denominator is None."""
    table = confusion(labels, predictions)

    def ratio(part: int, whole: int) -> float | None:
        return int(part) / int(whole) if whole else None

    right, predicted, rows = np.diag(table), table.sum(0), table.sum(1)
    return DetailTable(
        ("precision", "recall", "f1", "rows"),
        {
            name: (
                ratio(right[i], predicted[i]),
                ratio(right[i], rows[i]),
                ratio(2 * right[i], predicted[i] + rows[i]),
                int(rows[i]),
            )
            for i, name in enumerate(class_names(labels, predictions))
        },
    )


@metrics.register
class Accuracy(Metric):
    """Fraction of rows whose class is predicted correctly."""

    name: Literal["accuracy"] = "accuracy"

    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, predictions)
        return int(np.trace(table)) / int(table.sum())


@metrics.register
class MacroF1(Metric):
    """Unweighted mean of F1 over all classes that occur among the labels or the predictions."""

    name: Literal["macro_f1"] = "macro_f1"

    low: ClassVar[float | None] = 0.0
    high: ClassVar[float | None] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, predictions)
        return float((2 * np.diag(table) / (table.sum(0) + table.sum(1))).mean())


@metrics.register
class Matthews(Metric):
    """Matthews correlation coefficient (Matthews 1975; several classes: Gorodkin 2004).

    It is 1 if all predictions are correct and 0 at chance level, or if all labels or all predictions are of one class.
    """

    name: Literal["matthews"] = "matthews"

    low: ClassVar[float | None] = -1.0
    high: ClassVar[float | None] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, predictions)
        n, true, predicted = int(table.sum()), table.sum(1), table.sum(0)
        # covariances times n squared, as exact integers
        between = n * int(np.trace(table)) - int(true @ predicted)
        of_labels, of_predictions = n * n - int(true @ true), n * n - int(predicted @ predicted)
        return between / math.sqrt(of_labels * of_predictions) if of_labels and of_predictions else 0.0
