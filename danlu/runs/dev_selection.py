"""Selection on the dev rows of a task: validation during training, and the choice of the learning rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from torch import nn

from danlu.config.schema import TaskRecipe
from danlu.objective import Objective
from danlu.training.plan import Plan
from danlu.training.precision import Machine
from danlu.training.samples import Samples
from danlu.training.step import Losses, measure, micro_batches

VALIDATION_ROWS = 32
"""Rows in a micro-batch of validation."""

MAX_VALIDATIONS = 50
"""Maximum number of validations per training run if the recipe sets none; with more epochs, some are skipped."""

FACTORS = (1 / 3, 1.0, 3.0)
"""Candidate learning rates relative to that of the recipe, if the recipe lists none."""


class DevValidation:
    """Measure the loss and the headline metric on the dev rows; `latest` is the headline metric last measured."""

    def __init__(
        self,
        objective: Objective,
        samples: Samples,
        machine: Machine,
        headline: Callable[[nn.Module], tuple[str, float]],
    ):
        self.batches = micro_batches(objective, samples, 0, samples.units, VALIDATION_ROWS, 1.0)
        self.objective, self.machine, self.headline = objective, machine, headline
        self.latest: dict[str, float] = {}

    def __call__(self, model: nn.Module) -> Losses:
        losses = measure(model, self.objective, self.batches, self.machine)
        name, value = self.headline(model)
        self.latest = {name: value}
        return losses

    def facts(self, losses: Losses) -> dict[str, Any]:
        """Return the headline metric, which the record of a validation holds in addition to the losses."""
        return dict(self.latest)


def learning_rates(recipe: TaskRecipe, has_dev: bool) -> tuple[float, ...]:
    """Return the candidate learning rates: one if the recipe fixes it, none without dev rows."""
    if not has_dev:
        return ()
    base = recipe.training.optimizer.learning_rate
    return tuple(recipe.learning_rates) or tuple(base * factor for factor in FACTORS)


def with_learning_rate(recipe: TaskRecipe, rate: float) -> TaskRecipe:
    """Return the recipe with another learning rate."""
    optimizer = recipe.training.optimizer.model_copy(update={"learning_rate": rate})
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"optimizer": optimizer})})


def validate_every_epoch(plan: Plan, recipe: TaskRecipe, units: int) -> Plan:
    """Return the plan with a validation at the end of each epoch, unless the recipe gives `training.validations`."""
    if "validations" in recipe.training.model_fields_set:
        return plan
    epoch = max(1, round(units / plan.step_units))
    every = epoch * max(1, -(-plan.steps // (epoch * MAX_VALIDATIONS)))
    return replace(plan, validate_every=every, save_every=recipe.training.save_every or every)


def best_rate(candidates: Mapping[str, Mapping[str, Any]], higher_is_better: bool) -> float:
    """Return the learning rate with the best headline metric on the dev rows; the lowest loss breaks ties."""
    sign = -1 if higher_is_better else 1
    best = min(candidates.values(), key=lambda found: (sign * found["score"], found["loss"]))
    return best["learning_rate"]
