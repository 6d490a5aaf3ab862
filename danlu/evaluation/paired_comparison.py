"""Compare several models by means with intervals and paired differences from the first model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from danlu.metrics.intervals import Interval, mean_interval, paired_difference, weighted_interval


@dataclass(frozen=True)
class Measurement:
    """A measured figure of one model."""

    trainings: tuple[float, ...]  # one value per training (seed)
    items: np.ndarray | None = None  # for a single training: the values of documents or fine-tuning seeds
    weights: np.ndarray | None = None  # of the items, such as bytes
    of_items: str = "documents"  # name of the items

    @property
    def over(self) -> str:
        """What the interval covers: trainings, or the items of a single one."""
        return "trainings" if len(self.trainings) > 1 or self.items is None else self.of_items

    def interval(self) -> Interval:
        """Return the mean with its interval."""
        return mean_interval(self.trainings) if self.over == "trainings" else self._items_interval(self.items)

    def difference_from(self, other: Measurement) -> Interval:
        """Return the paired difference over trainings of the same seed, or over the same items."""
        if self.over == "trainings" or self.items is None or other.items is None:
            return paired_difference(self.trainings, other.trainings)
        return self._items_interval(self.items - other.items)

    def _items_interval(self, values: Any) -> Interval:
        return weighted_interval(values, self.weights) if self.of_items == "documents" else mean_interval(values)

    def json(self) -> dict[str, Any]:
        """Return mean, interval and the values of all trainings as JSON."""
        return asdict(self.interval()) | {"seeds": list(self.trainings), "over": self.over}


def paired_differences(measurements: Mapping[str, Measurement | None]) -> dict[str, dict[str, Any] | None]:
    """Return {model: paired difference from the first model that has the figure}."""
    reference = next(((name, m) for name, m in measurements.items() if m is not None), None)
    differences: dict[str, dict[str, Any] | None] = {}
    for name, measurement in measurements.items():
        if measurement is None or reference is None or name == reference[0]:
            differences[name] = None
            continue
        difference = measurement.difference_from(reference[1])
        differences[name] = asdict(difference) | {"from": reference[0], "over": measurement.over}
    return differences
