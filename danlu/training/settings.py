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
    rounding and what dropout draws); validations: how many over the run (each is also saved); save_every, log_every:
    in steps.

    keep: the weights of the best validation, or the last; patience: end after so many validations without a better one;
    ema: judge and keep a moving average of the weights, with this decay a step.
    label_smoothing (Szegedy et al. 2016) and z_loss (Chowdhery et al. 2022; 1e-4 is usual) change the training loss
    alone, never a held-out one. freeze: names of weights or modules that are not trained, `*` for any letters.
    activation_checkpointing: less memory for a third more work. compile: torch.compile; pays on a GPU, hardly on a CPU.
    capacity: each stream of a micro-batch is filled up to a multiple of so many positions, without any effect on what
    is learned but by what dropout draws; where nothing is given, compiled steps on a GPU have an eighth of a
    micro-batch.
    """

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
    patience: PositiveInt | None = None
    ema: float | None = Field(default=None, gt=0, lt=1)
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    z_loss: float = Field(default=0.0, ge=0)
    freeze: list[str] = Field(default_factory=list)
    activation_checkpointing: bool = False
    compile: bool = False
    capacity: PositiveInt | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)
