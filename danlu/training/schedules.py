"""The learning rate as a pure function of the share of training done: every `at` maps [0, 1] to a factor in [0, 1]."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from danlu.registry import schedules
from danlu.settings import Settings


class Schedule(Settings):
    """warm_up: share of training in which the factor rises linearly from 0; floor: the factor at the end."""

    warm_up: float = Field(default=0.02, ge=0, lt=1)
    floor: float = Field(default=0.0, ge=0, le=1)

    def risen(self, done: float) -> float:
        return min(1.0, done / self.warm_up) if self.warm_up else 1.0


@schedules.register
class Linear(Schedule):
    """Falls in a straight line from 1 after the warm-up to `floor`."""

    name: Literal["linear"] = "linear"

    def at(self, done: float) -> float:
        left = (1 - done) / (1 - self.warm_up)
        return self.risen(done) * (self.floor + (1 - self.floor) * min(1.0, left))


@schedules.register
class Cosine(Schedule):
    """Falls along half a cosine (Loshchilov and Hutter 2017)."""

    name: Literal["cosine"] = "cosine"

    def at(self, done: float) -> float:
        gone = max(0.0, (done - self.warm_up) / (1 - self.warm_up))
        return self.risen(done) * (self.floor + (1 - self.floor) * 0.5 * (1 + math.cos(math.pi * gone)))


@schedules.register
class WarmupStableDecay(Schedule):
    """Stays at 1, then falls in a straight line over the last `decay` share (Hu et al. 2024)."""

    name: Literal["wsd"] = "wsd"
    decay: float = Field(default=0.3, gt=0, le=1)

    def at(self, done: float) -> float:
        left = min(1.0, (1 - done) / self.decay)
        return self.risen(done) * (self.floor + (1 - self.floor) * left)
