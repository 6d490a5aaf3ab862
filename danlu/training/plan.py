"""What is decided once before training and never measured again."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from danlu.objective import Objective
from danlu.training.operations import forward_operations, training_operations
from danlu.training.precision import Machine
from danlu.training.samples import Draws
from danlu.training.settings import TrainingSettings
from danlu.training.step import accumulate, micro_batches
from danlu.training.training_options import compile_blocks

WARM_STEPS, TIMED_STEPS, MOST_STEPS = 2, 4, 100
SHARE = 0.02
"""Of a time budget, spent at most (beyond the first steps) on finding out what a step takes."""

BLOCK = 128
"""Capacities are multiples of it: kernels work in blocks of so many positions."""


@dataclass(frozen=True)
class Plan:
    """Steps, and units a step and a micro-batch; how often to validate and save; where it runs; what micro-batches are
    filled up to a multiple of."""

    steps: int
    step_units: int
    micro_units: int
    validate_every: int
    save_every: int
    machine: Machine
    capacity: int | None = None

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
    measured: tuple[float, float] | None = None,
) -> Plan:
    """Steps from the budget; a time budget is turned into steps by timing a few on a copy of the model.

    measured: what `time_steps` gave, where it was asked before.
    """
    step_units, micro_units = units_of(settings, draws)
    budget = settings.budget
    seconds, operations = 0.0, 0.0
    if budget.unit == "operations":
        operations = operations_of(model, objective, draws, step_units, micro_units, machine)
    if budget.unit == "seconds":
        seconds, validation = measured or time_steps(
            settings, model, objective, draws, machine, validate, step_units, micro_units
        )
        left = max(budget.amount - settings.validations * validation, budget.amount / 2)
        budget = type(budget)(left, "seconds")
    steps = budget.steps(draws.units, step_units, draws.tokens_per_unit, seconds, operations)
    validate_every = max(1, -(-steps // settings.validations))
    save_every = settings.save_every or validate_every
    capacity = capacity_of(settings, draws, machine)
    return Plan(steps, step_units, micro_units, validate_every, save_every, machine, capacity)


def operations_of(
    model: nn.Module, objective: Objective, draws: Draws, units: int, each: int, machine: Machine
) -> float:
    """Operations of training on the first `units` units."""
    device = torch.device(machine.device)
    batches = micro_batches(objective, draws, 0, units, each, 0.0)
    return training_operations(sum(forward_operations(model, batch.to(device)) for batch in batches))


def units_of(settings: TrainingSettings, draws: Draws) -> tuple[int, int]:
    """Units a step, and units a micro-batch."""
    step_units = max(1, round(settings.batch_tokens / draws.tokens_per_unit))
    return step_units, min(step_units, max(1, int(settings.micro_batch_tokens / draws.tokens_per_unit)))


def capacity_of(settings: TrainingSettings, draws: Draws, machine: Machine) -> int | None:
    """What the settings say; for compiled steps on a GPU an eighth of a micro-batch, in whole blocks of attention."""
    if settings.capacity is not None or not settings.compile or machine.device != "cuda":
        return settings.capacity
    _, micro_units = units_of(settings, draws)
    return BLOCK * max(1, round(micro_units * draws.tokens_per_unit / 8 / BLOCK))


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
    """Seconds of a step and of a validation, on a copy that is thrown away.

    Every step is taken twice and the quicker counts, for a busy moment only ever makes one slower; of these the mean,
    for steps of other lengths take another time. At least `TIMED_STEPS`, and more of them up to `SHARE` of the budget.
    """
    trial = copy.deepcopy(model).train()
    capacity = capacity_of(settings, draws, machine)
    if settings.compile:
        compile_blocks(trial)  # a copy is not compiled
    optimizers: list[torch.optim.Optimizer] = settings.optimizer.build(trial, machine)

    def timed(step: int) -> float:
        start = time.perf_counter()
        batches = micro_batches(objective, draws, step * step_units, step_units, micro_units, 0.0, capacity)
        accumulate(trial, objective, batches, machine, 0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start

    for step in range(WARM_STEPS):
        timed(step)
    quicker: list[float] = []
    spent = 0.0
    while len(quicker) < TIMED_STEPS or (len(quicker) < MOST_STEPS and spent < SHARE * settings.budget.amount):
        pair = [timed(WARM_STEPS + len(quicker)) for _ in range(2)]
        quicker.append(min(pair))
        spent += sum(pair)
    start = time.perf_counter()
    if validate:
        validate(trial)
    return sum(quicker) / len(quicker), time.perf_counter() - start
