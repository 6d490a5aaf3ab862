"""Several ways of pre-training side by side: means with intervals, and paired differences from the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from danlu.metrics.intervals import Interval, mean_interval, paired_difference, weighted_interval


@dataclass(frozen=True)
class Measured:
    """A figure of one way. trainings: one value for each training; items: for a single training, the values of what it
    was measured on (documents, draws of labels), and their weights (bytes) where they have any."""

    trainings: tuple[float, ...]
    items: np.ndarray | None = None
    weights: np.ndarray | None = None
    of_items: str = "documents"

    @property
    def over(self) -> str:
        """What the interval is over."""
        return "trainings" if len(self.trainings) > 1 or self.items is None else self.of_items

    def interval(self) -> Interval:
        return mean_interval(self.trainings) if self.over == "trainings" else self._of_items(self.items)

    def minus(self, other: Measured) -> Interval:
        """The paired difference: over trainings of the same seed, or over the same items."""
        if self.over == "trainings" or self.items is None or other.items is None:
            return paired_difference(self.trainings, other.trainings)
        return self._of_items(self.items - other.items)

    def _of_items(self, values: Any) -> Interval:
        return weighted_interval(values, self.weights) if self.of_items == "documents" else mean_interval(values)

    def json(self) -> dict[str, Any]:
        return asdict(self.interval()) | {"seeds": list(self.trainings), "over": self.over}


def bits_of(entries: Sequence[Mapping[str, Any]]) -> Measured | None:
    """Bits per byte of the trainings of one way (entries of results.json); None where there are none."""
    values = [entry["bits_per_byte"] for entry in entries]
    if any(value is None for value in values):
        return None
    single = entries[0] if len(entries) == 1 else {}
    bits, size = single.get("document_bits"), single.get("document_bytes")
    return Measured(
        tuple(values), None if bits is None else np.array(bits), None if size is None else np.array(size), "documents"
    )


def loss_of(entries: Sequence[Mapping[str, Any]]) -> Measured:
    """Held-out loss, in nats a target: comparable between ways of one objective only."""
    return Measured(tuple(entry["loss"] for entry in entries))


def score_of(tasks: Sequence[Mapping[str, Any]], arm: str) -> Measured | None:
    """A task's score, the mean over the draws of labels for each training; None without the task."""
    if not tasks:
        return None
    draws = [task["scores"][arm]["seeds"] for task in tasks]
    single = np.array(draws[0]) if len(draws) == 1 and len(draws[0]) > 1 else None
    return Measured(tuple(float(np.mean(values)) for values in draws), single, None, "draws of labels")


def differences(measured: Mapping[str, Measured | None]) -> dict[str, dict[str, Any] | None]:
    """From the first way that has the figure: {way: the paired difference}."""
    reference = next(((name, m) for name, m in measured.items() if m is not None), None)
    found: dict[str, dict[str, Any] | None] = {}
    for name, one in measured.items():
        if one is None or reference is None or name == reference[0]:
            found[name] = None
            continue
        found[name] = asdict(one.minus(reference[1])) | {"from": reference[0], "over": one.over}
    return found
