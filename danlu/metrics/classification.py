"""What a classification task is scored by. Each metric is a class here; every arm and control is scored by the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from danlu.registry import metrics
from danlu.settings import Settings


class Metric(Protocol):
    """name; low and high: the least and the greatest score there is. More is better."""

    name: Any
    low: ClassVar[float]
    high: ClassVar[float]

    def score(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> float:
        """Of the right labels [n] and those found [n], class numbers or names, n at least 1."""
        ...


def confusion(labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> np.ndarray:
    """[classes, classes] int64: how often label i was answered by j, over the classes that occur on either side.

    ValueError when the two are not of one length, or empty.
    """
    n = len(labels)
    if n != len(found) or not n:
        raise ValueError(f"{n} labels and {len(found)} answers cannot be compared")
    classes, number = np.unique(np.concatenate([np.asarray(labels), np.asarray(found)]), return_inverse=True)
    table = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(table, (number[:n], number[n:]), 1)
    return table


@metrics.register
class Accuracy(Settings):
    """The share of rows that are right."""

    name: Literal["accuracy"] = "accuracy"

    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, found)
        return int(np.trace(table)) / int(table.sum())


@metrics.register
class MacroF1(Settings):
    """The mean over the classes of F1, the harmonic mean of precision and recall: a rare class counts as much as a
    frequent one. The classes are those among the labels or the answers."""

    name: Literal["macro_f1"] = "macro_f1"

    low: ClassVar[float] = 0.0
    high: ClassVar[float] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, found)
        return float((2 * np.diag(table) / (table.sum(0) + table.sum(1))).mean())


@metrics.register
class Matthews(Settings):
    """The correlation of labels and answers (Matthews 1975; for several classes Gorodkin 2004): 1 all right, 0 no
    better than chance, also where all labels or all answers are of one class."""

    name: Literal["matthews"] = "matthews"

    low: ClassVar[float] = -1.0
    high: ClassVar[float] = 1.0

    def score(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> float:
        table = confusion(labels, found)
        n, true, said = int(table.sum()), table.sum(1), table.sum(0)
        # covariances times n squared, in whole numbers
        between = n * int(np.trace(table)) - int(true @ said)
        of_labels, of_answers = n * n - int(true @ true), n * n - int(said @ said)
        return between / math.sqrt(of_labels * of_answers) if of_labels and of_answers else 0.0
