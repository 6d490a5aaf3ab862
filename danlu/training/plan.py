"""The plan of a training run, made once before it starts and recorded."""

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
from danlu.training.samples import Samples
from danlu.training.settings import TrainingSettings
from danlu.training.step import accumulate, micro_batches
from danlu.training.training_options import compile_blocks

WARMUP_STEPS, MIN_TIMED_STEPS, MAX_TIMED_STEPS = 2, 4, 100
"""Numbers of untimed steps and of timed steps."""

MAX_TIMING_SHARE = 0.02
"""Maximum fraction of a time budget for timing more than the minimum number of steps."""

BLOCK = 128
"""Capacities are multiples of this number, since kernels process blocks of this many positions."""


@dataclass(frozen=True)
class Plan:
    """Steps, batches, checkpoints and machine of a training run."""

    steps: int
    step_units: int  # units per step
    micro_units: int  # units per micro-batch
    validate_every: int  # steps between validations
    save_every: int  # steps between checkpoints
    machine: Machine
    capacity: int | None = None  # streams of a micro-batch are padded to a multiple of this number of positions
    seconds_per_step: float | None = None  # measured for a time budget
    raised_from: int | None = None  # steps that the time budget buys, if `min_steps` is more

    def facts(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def bought_steps(self) -> int:
        """The steps that the budget buys, before `min_steps` raises them."""
        return self.steps if self.raised_from is None else self.raised_from

    def epochs(self, units: int, steps: int | None = None) -> float:
        """Return the passes over `units` units in a number of steps (default: those of the plan)."""
        return (self.steps if steps is None else steps) * self.step_units / units

    def epoch_steps(self, units: int) -> int:
        """Return the steps of one pass over `units` units."""
        return -(-units // self.step_units)

    @classmethod
    def of(cls, facts: dict[str, Any]) -> Plan:
        rest: dict[str, Any] = {k: v for k, v in facts.items() if k != "machine"}
        return cls(**rest, machine=Machine(**facts["machine"]))


def make_plan(
    settings: TrainingSettings,
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
    measured: tuple[float, float] | None = None,
) -> Plan:
    """Make the plan for a budget; a time budget is converted to steps by timing a few on a copy of the model.

    Args:
        settings: the training settings.
        model: the network.
        objective: its objective.
        samples: the training data.
        machine: device, dtype and threads.
        validate: the validation, whose time is measured; None: no validation.
        measured: the result of `time_steps` if it is already known.
    """
    step_units, micro_units = units_of(settings, samples)
    budget = settings.budget
    seconds, operations = 0.0, 0.0
    if budget.unit == "operations":
        operations = operations_of(model, objective, samples, step_units, micro_units, machine)
    if budget.unit == "seconds":
        seconds, validation = measured or time_steps(
            settings, model, objective, samples, machine, validate, step_units, micro_units
        )
        left = max(budget.amount - settings.validations * validation, budget.amount / 2)
        budget = type(budget)(left, "seconds")
    bought = budget.steps(samples.units, step_units, samples.tokens_per_unit, seconds, operations)
    steps = max(bought, settings.min_steps) if budget.unit == "seconds" else bought
    validate_every = max(1, -(-steps // settings.validations))
    save_every = settings.save_every or validate_every
    capacity = capacity_of(settings, samples, machine)
    raised_from = bought if steps > bought else None
    return Plan(
        steps, step_units, micro_units, validate_every, save_every, machine, capacity, seconds or None, raised_from
    )


def operations_of(
    model: nn.Module, objective: Objective, samples: Samples, units: int, each: int, machine: Machine
) -> float:
    """Return the floating-point operations of training on the first `units` units."""
    device = torch.device(machine.device)
    batches = micro_batches(objective, samples, 0, units, each, 0.0)
    return training_operations(sum(forward_operations(model, batch.to(device)) for batch in batches))


def units_of(settings: TrainingSettings, samples: Samples) -> tuple[int, int]:
    """Return the units per step and per micro-batch."""
    step_units = max(1, round(settings.batch_tokens / samples.tokens_per_unit))
    return step_units, min(step_units, max(1, int(settings.micro_batch_tokens / samples.tokens_per_unit)))


def capacity_of(settings: TrainingSettings, samples: Samples, machine: Machine) -> int | None:
    """Return the capacity from the settings; by default, for compiled steps on a GPU, an eighth of a micro-batch."""
    if settings.capacity is not None or not settings.compile or machine.device != "cuda":
        return settings.capacity
    _, micro_units = units_of(settings, samples)
    return BLOCK * max(1, round(micro_units * samples.tokens_per_unit / 8 / BLOCK))


def time_steps(
    settings: TrainingSettings,
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
    step_units: int,
    micro_units: int,
) -> tuple[float, float]:
    """Return the seconds of a step and of a validation, measured on a copy of the model.

    The result is a mean over steps, which differ in length. Each is timed twice and the shorter time counts, since
    other processes can only slow a step down. At least `MIN_TIMED_STEPS` are timed, and more as long as they take less
    than `MAX_TIMING_SHARE` of the budget.
    """
    trial = copy.deepcopy(model).train()
    capacity = capacity_of(settings, samples, machine)
    if settings.compile:
        compile_blocks(trial)  # a copy of a compiled model is not compiled
    optimizers: list[torch.optim.Optimizer] = settings.optimizer.build(trial, machine)

    def time_step(step: int) -> float:
        start = time.perf_counter()
        batches = micro_batches(objective, samples, step * step_units, step_units, micro_units, 0.0, capacity)
        accumulate(trial, objective, batches, machine, 0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return time.perf_counter() - start

    for step in range(WARMUP_STEPS):
        time_step(step)
    seconds: list[float] = []
    spent, limit = 0.0, MAX_TIMING_SHARE * settings.budget.amount
    while len(seconds) < MIN_TIMED_STEPS or (len(seconds) < MAX_TIMED_STEPS and spent < limit):
        pair = [time_step(WARMUP_STEPS + len(seconds)) for _ in range(2)]
        seconds.append(min(pair))
        spent += sum(pair)
    start = time.perf_counter()
    if validate:
        validate(trial)
    return sum(seconds) / len(seconds), time.perf_counter() - start
