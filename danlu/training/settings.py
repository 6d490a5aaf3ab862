"""The training settings of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from danlu.registry import optimizers, schedules
from danlu.settings import Settings
from danlu.training.budget import Budget, BudgetField
from danlu.training.optimizers import Muon
from danlu.training.schedules import WarmupStableDecay


class TrainingSettings(Settings):
    """Training settings: budget, batches, optimizer, schedule, validations and checkpoints."""

    budget: BudgetField = Field(
        default=Budget(300, "seconds"),
        description="Length of training: a time, tokens, epochs, steps or operations.",
    )
    min_steps: PositiveInt = Field(
        default=20,
        description="Least number of steps: a time budget that buys fewer is exceeded. Other budgets are exact.",
    )
    batch_tokens: PositiveInt = Field(default=2048, description="Tokens per step.")
    micro_batch_tokens: PositiveInt = Field(
        default=4096, description="Tokens per forward pass; affects only memory, apart from rounding and dropout."
    )
    optimizer: optimizers.choice() = Field(default=Muon(), description="The optimizer.")  # type: ignore[valid-type]
    schedule: schedules.choice() = Field(  # type: ignore[valid-type]
        default=WarmupStableDecay(), description="Learning rate schedule."
    )
    clip: float = Field(default=1.0, gt=0, description="Maximum norm of the gradients; larger ones are scaled down.")
    validations: PositiveInt = Field(default=10, description="Number of validations; a checkpoint is saved at each.")
    validation_tokens: PositiveInt = Field(default=16384, description="Tokens evaluated at each validation.")
    save_every: PositiveInt | None = Field(default=None, description="Steps between additional checkpoints.")
    log_every: PositiveInt = Field(default=1, description="Steps between records of the training loss.")
    keep: Literal["best", "last"] = Field(
        default="best", description="Weights to keep: of the best validation, or the last."
    )
    patience: PositiveInt | None = Field(
        default=None, description="Stop after this number of validations without improvement (early stopping)."
    )
    ema: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Decay per step of a moving average of the weights, which is validated and saved instead of them.",
    )
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Label smoothing of the training loss (Szegedy et al. 2016)."
    )
    z_loss: float = Field(
        default=0.0, ge=0, description="Weight of the z-loss in training (Chowdhery et al. 2022); 1e-4 is usual."
    )
    freeze: list[str] = Field(
        default_factory=list,
        description="Names of weights or modules that are not trained; `*` matches any text.",
    )
    activation_checkpointing: bool = Field(
        default=False,
        description="Recompute activations in the backward pass: less memory, about a third more computation.",
    )
    compile: bool = Field(default=False, description="Use torch.compile; worthwhile on a GPU, rarely on a CPU.")
    capacity: PositiveInt | None = Field(
        default=None,
        description="Pad each stream of a micro-batch to a multiple of this number of positions, without effect on the "
        "result apart from dropout. Default for compiled steps on a GPU: an eighth of a micro-batch.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of initialisation, order of the data and dropout.")
