"""Learning rate schedules: `at` maps the fraction of training that is done, in [0, 1], to a factor in [0, 1]."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field

from danlu.registry import schedules
from danlu.settings import Settings


class Schedule(Settings, ABC):
    """A learning rate schedule with a linear warm-up."""

    warm_up: float = Field(
        default=0.02, ge=0, lt=1, description="Fraction of training over which the rate rises from 0."
    )
    floor: float = Field(default=0.0, ge=0, le=1, description="Factor of the peak learning rate at the end.")

    @abstractmethod
    def at(self, done: float) -> float:
        """Return the factor of the peak learning rate when the fraction `done` of training is done."""

    def warm_up_factor(self, done: float) -> float:
        """Return the factor of the warm-up, which rises linearly from 0 to 1."""
        return min(1.0, done / self.warm_up) if self.warm_up else 1.0


schedules.base = Schedule


@schedules.register
class Linear(Schedule):
    """Linear decay from 1 after the warm-up to `floor`."""

    name: Literal["linear"] = "linear"

    def at(self, done: float) -> float:
        remaining = (1 - done) / (1 - self.warm_up)
        return self.warm_up_factor(done) * (self.floor + (1 - self.floor) * min(1.0, remaining))


@schedules.register
class Cosine(Schedule):
    """Cosine decay (Loshchilov and Hutter 2017)."""

    name: Literal["cosine"] = "cosine"

    def at(self, done: float) -> float:
        decayed = max(0.0, (done - self.warm_up) / (1 - self.warm_up))
        return self.warm_up_factor(done) * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * decayed)))


@schedules.register
class WarmupStableDecay(Schedule):
    """Warm-up, constant rate, then linear decay (WSD, Hu et al. 2024)."""

    name: Literal["wsd"] = "wsd"
    decay: float = Field(default=0.3, gt=0, le=1, description="Fraction of training over which the rate decays.")

    def at(self, done: float) -> float:
        remaining = min(1.0, (1 - done) / self.decay)
        return self.warm_up_factor(done) * (self.floor + (1 - self.floor) * remaining)
