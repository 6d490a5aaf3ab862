"""What is decided once before training and never measured again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from danlu.training.draws import Draws
from danlu.training.precision import Machine
from danlu.training.settings import TrainingSettings
from danlu.training.step import accumulate, micro_batches
from danlu.waist import Objective

WARM_STEPS, TIMED_STEPS = 2, 5


@dataclass(frozen=True)
class Plan:
    """Steps, and units a step and a micro-batch; how often to validate and save; where it runs."""

    steps: int
    step_units: int
    micro_units: int
    validate_every: int
    save_every: int
    machine: Machine

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Plan:
        rest: dict[str, Any] = {k: v for k, v in facts.items() if k != "machine"}
        return cls(**rest, machine=Machine(**facts["machine"]))


def make_plan(
    settings: TrainingSettings,
    model: nn.Module,
    objective: Objective,
    draws: Draws,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
) -> Plan:
    """Steps from the budget; a time budget is turned into steps by timing a few on a copy of the model."""
    step_units = max(1, round(settings.batch_tokens / draws.tokens_per_unit))
    micro_units = min(step_units, max(1, int(settings.micro_batch_tokens / draws.tokens_per_unit)))
    budget = settings.budget
    seconds = 0.0
    if budget.unit == "seconds":
        seconds, validation = time_steps(settings, model, objective, draws, machine, validate, step_units, micro_units)
        left = max(budget.amount - settings.validations * validation, budget.amount / 2)
        budget = type(budget)(left, "seconds")
    steps = budget.steps(draws.units, step_units, draws.tokens_per_unit, seconds)
    validate_every = max(1, -(-steps // settings.validations))
    return Plan(steps, step_units, micro_units, validate_every, settings.save_every or validate_every, machine)


def time_steps(
    settings: TrainingSettings,
    model: nn.Module,
    objective: Objective,
    draws: Draws,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
    step_units: int,
    micro_units: int,
) -> tuple[float, float]:
    """Median seconds of a step and seconds of a validation, on a copy that is thrown away."""
    trial = copy.deepcopy(model)
    optimizers: list[torch.optim.Optimizer] = settings.optimizer.build(trial)
    taken = []
    for step in range(WARM_STEPS + TIMED_STEPS):
        start = time.perf_counter()
        accumulate(
            trial,
            objective,
            micro_batches(objective, draws, step * step_units, step_units, micro_units, 0.0),
            machine,
            0,
        )
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        taken.append(time.perf_counter() - start)
    start = time.perf_counter()
    if validate:
        validate(trial)
    return sorted(taken[WARM_STEPS:])[TIMED_STEPS // 2], time.perf_counter() - start
