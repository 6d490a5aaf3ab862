"""The one loop. It knows no objective, architecture or task by name."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from danlu.errors import DanluError, Stopped
from danlu.objective import Objective
from danlu.training.checkpoint import Checkpoints, Position
from danlu.training.journal import Journal
from danlu.training.plan import Plan
from danlu.training.samples import Draws
from danlu.training.settings import TrainingSettings
from danlu.training.step import Losses, accumulate, micro_batches, positions
from danlu.training.weight_average import Average, shown


@dataclass
class Job:
    """All the loop needs. validate(model) -> Losses on held-out data; sample(model) -> records to show on the way;
    watch(record, plan) is told of every record; stop() says whether to save and leave; journal_start is where this
    stage's records begin; judged(losses) adds facts to the record of a validation."""

    stage: str
    model: nn.Module
    objective: Objective
    draws: Draws
    settings: TrainingSettings
    plan: Plan
    checkpoints: Checkpoints
    journal: Journal
    journal_start: int = 0
    validate: Callable[[nn.Module], Losses] | None = None
    sample: Callable[[nn.Module], list[dict[str, Any]]] | None = None
    watch: Callable[[dict[str, Any], Plan], None] = lambda record, plan: None
    stop: Callable[[], bool] = lambda: False
    judged: Callable[[Losses], dict[str, Any]] = lambda losses: {}


def train(job: Job) -> Position:
    """Train to the end of the plan, from the newest checkpoint if there is one; the chosen weights are in `job.model`.

    Raises Stopped when asked to stop, after saving; DanluError when the loss stops being a number.
    """
    optimizers: list[torch.optim.Optimizer] = job.settings.optimizer.build(job.model, job.plan.machine)
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    average = Average(job.model, job.settings.ema) if job.settings.ema else None
    position = resume(job, optimizers, average)
    job.model.train()
    clock = time.perf_counter() - position.seconds
    while not over(job, position):
        set_rates(optimizers, rates, job.settings.schedule.at((position.step + 0.5) / job.plan.steps))
        position = one_step(job, optimizers, position, clock)
        if average is not None:
            average.update(job.model, position.step)
        validating = position.step % job.plan.validate_every == 0 or position.step == job.plan.steps
        if validating:
            with shown(average, job.model):
                position = judge(job, position, clock)
        stopping = job.stop() and not over(job, position)
        if validating or stopping or position.step % job.plan.save_every == 0:
            position = replace(position, journal_bytes=job.journal.position(), seconds=time.perf_counter() - clock)
            job.checkpoints.save(position, job.model, optimizers, average)
        if stopping:
            raise Stopped(
                f"stopped at step {position.step} of {job.plan.steps} of {job.stage}, saved; run again to go on"
            )
    job.checkpoints.load_weights(chosen_step(job.settings, position), job.model)
    return position


def over(job: Job, position: Position) -> bool:
    """Whether the plan is done, or `patience` validations have passed since the best one."""
    if position.step >= job.plan.steps:
        return True
    if job.settings.patience is None or position.best_step is None:
        return False
    return (position.step - position.best_step) // job.plan.validate_every >= job.settings.patience


def chosen_step(settings: TrainingSettings, position: Position) -> int:
    """The step whose weights are kept."""
    if settings.keep == "best" and position.best_step is not None:
        return position.best_step
    return position.step


def resume(job: Job, optimizers: Sequence[torch.optim.Optimizer], average: Average | None) -> Position:
    """The newest whole checkpoint, loaded, with the journal taken back to it; or the beginning."""
    damaged: list[str] = []
    position = job.checkpoints.newest(damaged)
    if position is None:
        job.journal.rewind(job.journal_start)
        return Position(journal_bytes=job.journal_start)
    job.checkpoints.load(position, job.model, optimizers, average)
    job.journal.rewind(position.journal_bytes)
    for message in damaged:
        job.watch({"kind": "warning", "stage": job.stage, "message": message}, job.plan)
    return position


def set_rates(optimizers: Sequence[torch.optim.Optimizer], rates: Sequence[Sequence[float]], factor: float) -> None:
    for optimizer, base in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor


def one_step(job: Job, optimizers: Sequence[torch.optim.Optimizer], position: Position, clock: float) -> Position:
    plan, step = job.plan, position.step
    first, progress = step * plan.step_units, step / plan.steps
    batches = micro_batches(job.objective, job.draws, first, plan.step_units, plan.micro_units, progress, plan.capacity)
    seed = job.settings.seed * 1_000_003 + step
    losses = accumulate(job.model, job.objective, batches, plan.machine, seed, progress)
    require_number(job, "loss", losses.loss, step + 1)
    norm = float(torch.nn.utils.clip_grad_norm_(job.model.parameters(), job.settings.clip))
    require_number(job, "gradient", norm, step + 1)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    position = replace(position, step=step + 1, tokens=position.tokens + positions(batches))
    if position.step % job.settings.log_every == 0 or position.step == plan.steps:
        rate = optimizers[0].param_groups[0]["lr"]
        note(job, position, clock, "train", loss_facts(losses) | {"learning_rate": rate, "gradient_norm": norm})
    return position


def judge(job: Job, position: Position, clock: float) -> Position:
    """Validate, sample, and remember the best."""
    if job.validate:
        losses = job.validate(job.model)
        require_number(job, "held-out loss", losses.loss, position.step)
        position = position.judged(position.step, losses.loss)
        note(job, position, clock, "validation", loss_facts(losses) | job.judged(losses))
    if job.sample:
        for record in job.sample(job.model):
            note(job, position, clock, "sample", record)
    return position


def require_number(job: Job, what: str, value: float, step: int) -> None:
    if not math.isfinite(value):
        rate = job.settings.optimizer.learning_rate
        raise DanluError(
            f"the {what} is {value} at step {step} of {job.stage}; lower optimizer.learning_rate ({rate:g})"
        )


def loss_facts(losses: Losses) -> dict[str, Any]:
    """loss None: nothing was to be predicted, which is no loss of 0."""
    return {"loss": losses.loss if losses.terms else None, "terms": losses.terms}


def note(job: Job, position: Position, clock: float, kind: str, facts: dict[str, Any]) -> None:
    record = {"stage": job.stage, "kind": kind, "step": position.step, "tokens": position.tokens} | facts
    record |= {"time": time.time(), "seconds": time.perf_counter() - clock}
    job.journal.write(record)
    job.watch(record, job.plan)
