"""The training loop, which is independent of particular objectives, architectures and tasks."""

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
from danlu.training.checkpoint import Checkpoints, TrainingState
from danlu.training.journal import Journal
from danlu.training.plan import Plan
from danlu.training.samples import Samples
from danlu.training.settings import TrainingSettings
from danlu.training.step import Losses, accumulate, micro_batches, positions
from danlu.training.weight_average import Average, averaged_weights


@dataclass
class Job:
    """The arguments of a training run."""

    stage: str  # name of the training run in the journal
    model: nn.Module
    objective: Objective
    samples: Samples
    settings: TrainingSettings
    plan: Plan
    checkpoints: Checkpoints
    journal: Journal
    journal_start: int = 0  # length of the journal, in bytes, before the first record of this training run
    validate: Callable[[nn.Module], Losses] | None = None  # returns the losses on held-out data
    sample: Callable[[nn.Module], list[dict[str, Any]]] | None = None  # returns records of generated text
    watch: Callable[[dict[str, Any], Plan], None] = lambda record, plan: None  # called with every record
    stop: Callable[[], bool] = lambda: False  # whether to save a checkpoint and stop
    validation_facts: Callable[[Losses], dict[str, Any]] = lambda losses: {}  # further fields of validation records


def train(job: Job) -> TrainingState:
    """Train to the end of the plan, from the newest checkpoint if there is one; then load the selected weights.

    Raises:
        Stopped: if `job.stop()` returned True, after a checkpoint is saved.
        DanluError: if the loss or the gradient is not finite.
    """
    optimizers: list[torch.optim.Optimizer] = job.settings.optimizer.build(job.model, job.plan.machine)
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    average = Average(job.model, job.settings.ema) if job.settings.ema else None
    state = resume(job, optimizers, average)
    job.model.train()
    clock = time.perf_counter() - state.seconds
    while not is_finished(job, state):
        set_rates(optimizers, rates, job.settings.schedule.at((state.step + 0.5) / job.plan.steps))
        state = train_step(job, optimizers, state, clock)
        if average is not None:
            average.update(job.model, state.step)
        validating = state.step % job.plan.validate_every == 0 or state.step == job.plan.steps
        if validating:
            with averaged_weights(average, job.model):
                state = validate(job, state, clock)
        stopping = job.stop() and not is_finished(job, state)
        if validating or stopping or state.step % job.plan.save_every == 0:
            state = replace(state, journal_bytes=job.journal.position(), seconds=time.perf_counter() - clock)
            job.checkpoints.save(state, job.model, optimizers, average)
        if stopping:
            raise Stopped(
                f"stopped at step {state.step} of {job.plan.steps} of {job.stage}, saved; run it again to resume"
            )
    job.checkpoints.load_weights(chosen_step(job.settings, state), job.model)
    return state


def is_finished(job: Job, state: TrainingState) -> bool:
    """Whether the plan is finished, or `patience` validations have passed since the best one."""
    if state.step >= job.plan.steps:
        return True
    if job.settings.patience is None or state.best_step is None:
        return False
    return (state.step - state.best_step) // job.plan.validate_every >= job.settings.patience


def chosen_step(settings: TrainingSettings, state: TrainingState) -> int:
    """Return the step whose weights are the result of training."""
    if settings.keep == "best" and state.best_step is not None:
        return state.best_step
    return state.step


def resume(job: Job, optimizers: Sequence[torch.optim.Optimizer], average: Average | None) -> TrainingState:
    """Load the newest checkpoint and truncate the journal accordingly; without one, return the state of step 0."""
    damaged: list[str] = []
    state = job.checkpoints.newest(damaged)
    if state is None:
        job.journal.rewind(job.journal_start)
        return TrainingState(journal_bytes=job.journal_start)
    job.checkpoints.load(state, job.model, optimizers, average)
    job.journal.rewind(state.journal_bytes)
    for message in damaged:
        job.watch({"kind": "warning", "stage": job.stage, "message": message}, job.plan)
    return state


def set_rates(optimizers: Sequence[torch.optim.Optimizer], rates: Sequence[Sequence[float]], factor: float) -> None:
    """Set the learning rates of all parameter groups to their peak `rates` times `factor`."""
    for optimizer, base in zip(optimizers, rates, strict=True):
        for group, rate in zip(optimizer.param_groups, base, strict=True):
            group["lr"] = rate * factor


def train_step(
    job: Job, optimizers: Sequence[torch.optim.Optimizer], state: TrainingState, clock: float
) -> TrainingState:
    """Update the weights once and write a training record; return the new state."""
    plan, step = job.plan, state.step
    first, progress = step * plan.step_units, step / plan.steps
    batches = micro_batches(
        job.objective, job.samples, first, plan.step_units, plan.micro_units, progress, plan.capacity
    )
    seed = job.settings.seed * 1_000_003 + step
    losses = accumulate(job.model, job.objective, batches, plan.machine, seed, progress)
    require_finite(job, "loss", losses.loss, step + 1)
    norm = float(torch.nn.utils.clip_grad_norm_(job.model.parameters(), job.settings.clip))
    require_finite(job, "gradient", norm, step + 1)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
    state = replace(state, step=step + 1, tokens=state.tokens + positions(batches))
    if state.step % job.settings.log_every == 0 or state.step == plan.steps:
        rate = optimizers[0].param_groups[0]["lr"]
        record(job, state, clock, "train", loss_facts(losses) | {"learning_rate": rate, "gradient_norm": norm})
    return state


def validate(job: Job, state: TrainingState, clock: float) -> TrainingState:
    """Compute the validation loss, generate samples, and write records; return the new state."""
    if job.validate:
        losses = job.validate(job.model)
        require_finite(job, "held-out loss", losses.loss, state.step)
        state = state.with_validation(state.step, losses.loss)
        record(job, state, clock, "validation", loss_facts(losses) | job.validation_facts(losses))
    if job.sample:
        for facts in job.sample(job.model):
            record(job, state, clock, "sample", facts)
    return state


def require_finite(job: Job, what: str, value: float, step: int) -> None:
    """Raise DanluError if a loss or gradient norm is not finite."""
    if not math.isfinite(value):
        rate = job.settings.optimizer.learning_rate
        raise DanluError(
            f"the {what} is {value} at step {step} of {job.stage}; lower optimizer.learning_rate ({rate:g})"
        )


def loss_facts(losses: Losses) -> dict[str, Any]:
    """Return loss and terms for a record; the loss is None if there were no targets."""
    return {"loss": losses.loss if losses.terms else None, "terms": losses.terms}


def record(job: Job, state: TrainingState, clock: float, kind: str, facts: dict[str, Any]) -> None:
    """Write a record to the journal and pass it to `job.watch`."""
    entry = {"stage": job.stage, "kind": kind, "step": state.step, "tokens": state.tokens} | facts
    entry |= {"time": time.time(), "seconds": time.perf_counter() - clock}
    job.journal.write(entry)
    job.watch(entry, job.plan)
