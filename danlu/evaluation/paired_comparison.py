"""Comparison of several models: means with intervals, and paired differences from the first model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def bits_of(entries: Sequence[Mapping[str, Any]]) -> Measured | None:
    """Return the bits per byte of the trainings of one model (entries of results.json); None if not defined."""
    values = [entry["bits_per_byte"] for entry in entries]
    if any(value is None for value in values):
        return None
    single = entries[0] if len(entries) == 1 else {}
    bits, size = single.get("document_bits"), single.get("document_bytes")
    return Measured(
        tuple(values), None if bits is None else np.array(bits), None if size is None else np.array(size), "documents"
    )


def loss_of(entries: Sequence[Mapping[str, Any]]) -> Measured:
    """Return the held-out loss in nats per target; comparable between models of one objective only."""
    return Measured(tuple(entry["loss"] for entry in entries))


def score_of(tasks: Sequence[Mapping[str, Any]], arm: str) -> Measured | None:
    """Return the score of a task, averaged over the draws of labels of each training; None without the task."""
    if not tasks:
        return None
    draws = [task["scores"][arm]["seeds"] for task in tasks]
    single = np.array(draws[0]) if len(draws) == 1 and len(draws[0]) > 1 else None
    return Measured(tuple(float(np.mean(values)) for values in draws), single, None, "draws of labels")


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
