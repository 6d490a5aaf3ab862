"""The base class of metrics, and the result of a metric.

Shapes: n rows.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from danlu.registry import metrics
from danlu.settings import Settings


@dataclass(frozen=True)
class Figure:
    """The value of a metric, with its direction and bounds."""

    value: float
    higher_is_better: bool = True
    low: float | None = None  # minimum possible value; None: unbounded
    high: float | None = None  # maximum possible value; None: unbounded


class Metric(Settings, ABC):
    """Base class of metrics, which compare predictions with labels."""

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    higher_is_better: ClassVar[bool] = True
    low: ClassVar[float | None] = None
    """Minimum possible score; None: unbounded."""
    high: ClassVar[float | None] = None
    """Maximum possible score; None: unbounded."""

    @abstractmethod
    def score(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> float:
        """Return the score of predictions [n] for labels [n].

        Raises:
            ValueError: if labels and predictions differ in length or are empty.
        """

    def figure(self, labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> Figure:
        """Return the score with its direction and bounds."""
        return Figure(self.score(labels, predictions), self.higher_is_better, self.low, self.high)


metrics.base = Metric


def require_pairs(labels: Sequence[Any] | np.ndarray, predictions: Sequence[Any] | np.ndarray) -> int:
    """Return the number of pairs; ValueError if labels and predictions differ in length or are empty."""
    n = len(labels)
    if n != len(predictions) or not n:
        raise ValueError(f"{n} labels and {len(predictions)} predictions cannot be compared")
    return n
