"""Comparison of several models: means with intervals, and paired differences from the first model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from danlu.metrics.intervals import Interval, mean_interval, paired_difference, weighted_interval


@dataclass(frozen=True)
class Measured:
    """A figure of one model."""

    trainings: tuple[float, ...]  # one value per training (seed)
    items: np.ndarray | None = None  # for a single training: the values of documents or draws of labels
    weights: np.ndarray | None = None  # of the items, such as bytes
    of_items: str = "documents"  # what the items are

    @property
    def over(self) -> str:
        """What the interval covers: trainings, documents or draws of labels."""
        return "trainings" if len(self.trainings) > 1 or self.items is None else self.of_items

    def interval(self) -> Interval:
        return mean_interval(self.trainings) if self.over == "trainings" else self._of_items(self.items)

    def minus(self, other: Measured) -> Interval:
        """Return the paired difference over trainings of the same seed, or over the same items."""
        if self.over == "trainings" or self.items is None or other.items is None:
            return paired_difference(self.trainings, other.trainings)
        return self._of_items(self.items - other.items)

    def _of_items(self, values: Any) -> Interval:
        return weighted_interval(values, self.weights) if self.of_items == "documents" else mean_interval(values)

    def json(self) -> dict[str, Any]:
        return asdict(self.interval()) | {"seeds": list(self.trainings), "over": self.over}


def differences(measured: Mapping[str, Measured | None]) -> dict[str, dict[str, Any] | None]:
    """Return {model: paired difference from the first model that has the figure}."""
    reference = next(((name, m) for name, m in measured.items() if m is not None), None)
    found: dict[str, dict[str, Any] | None] = {}
    for name, one in measured.items():
        if one is None or reference is None or name == reference[0]:
            found[name] = None
            continue
        found[name] = asdict(one.minus(reference[1])) | {"from": reference[0], "over": one.over}
    return found
