"""What a recipe can say about training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from danlu.registry import optimizers, schedules
from danlu.settings import Settings
from danlu.training.budget import Budget, BudgetField
from danlu.training.optimizers import Muon
from danlu.training.schedules import WarmupStableDecay


class TrainingSettings(Settings):
    """batch_tokens: tokens a step; micro_batch_tokens: how many of them at once (memory only, never the result beyond
    rounding); validations, saves: how many over the run (each validation is also saved)."""

    budget: BudgetField = Budget(300, "seconds")
    batch_tokens: PositiveInt = 2048
    micro_batch_tokens: PositiveInt = 4096
    optimizer: optimizers.choice() = Muon()  # type: ignore[valid-type]
    schedule: schedules.choice() = WarmupStableDecay()  # type: ignore[valid-type]
    clip: float = Field(default=1.0, gt=0)
    validations: PositiveInt = 10
    validation_tokens: PositiveInt = 16384
    save_every: PositiveInt | None = None
    log_every: PositiveInt = 1
    keep: Literal["best", "last"] = "best"
    seed: int = Field(default=0, ge=0, lt=2**31)
