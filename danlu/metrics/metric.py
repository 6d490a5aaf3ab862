"""The base class of metrics, and the figure that a metric gives."""

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
    """The value of a metric, and how to read it."""

    value: float
    higher_is_better: bool = True
    low: float | None = None  # the least possible value; None: unbounded
    high: float | None = None  # the greatest possible value; None: unbounded


class Metric(Settings, ABC):
    """A number that says how well predictions match what was expected."""

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    higher_is_better: ClassVar[bool] = True
    low: ClassVar[float | None] = None
    """The least possible score; None: unbounded."""
    high: ClassVar[float | None] = None
    """The greatest possible score; None: unbounded."""

    @abstractmethod
    def score(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> float:
        """Compare the expected values [n] with the predicted ones [n].

        Raises:
            ValueError: if the two differ in length, or are empty.
        """

    def figure(self, labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> Figure:
        """Return the score with its direction and bounds."""
        return Figure(self.score(labels, found), self.higher_is_better, self.low, self.high)


metrics.base = Metric


def require_pairs(labels: Sequence[Any] | np.ndarray, found: Sequence[Any] | np.ndarray) -> int:
    """Return the number of pairs; ValueError if the two differ in length, or are empty."""
    n = len(labels)
    if n != len(found) or not n:
        raise ValueError(f"{n} expected values and {len(found)} predictions cannot be compared")
    return n
