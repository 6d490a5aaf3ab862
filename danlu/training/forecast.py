"""What a training will take, before it is begun: parameters by part, operations, memory, time.

Nothing here is a formula for one architecture: operations are counted as the model runs one micro-batch of the real
data, optimiser state by taking one step without storage, activations by what autograd keeps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import Batch
from danlu.objective import Objective
from danlu.training.operations import forward_operations, training_operations
from danlu.training.optimizers import state_tensors
from danlu.training.plan import make_plan, time_steps, units_of
from danlu.training.precision import Machine
from danlu.training.samples import Draws
from danlu.training.settings import TrainingSettings
from danlu.training.step import micro_batches, positions


def part_of(name: str) -> str:
    """The part a parameter belongs to; layers of one kind are one part: `backbone.blocks.*.attention`."""
    words = ["*" if word.isdigit() else word for word in name.split(".")[:-1]]
    return ".".join(words[: words.index("*") + 2] if "*" in words else words[:2])


def parameter_table(model: nn.Module) -> list[dict[str, Any]]:
    """[{"part", "parameters", "trained"}] in the order of the model; a tied tensor is counted once, where it is first
    met."""
    rows: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        row = rows.setdefault(part_of(name), {"part": part_of(name), "parameters": 0, "trained": 0})
        row["parameters"] += parameter.numel()
        row["trained"] += parameter.numel() if parameter.requires_grad else 0
    return list(rows.values())


def activation_bytes(model: nn.Module, batch: Batch, machine: Machine) -> int:
    """Bytes autograd keeps between the forward and the backward pass of a micro-batch, weights not among them."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor), machine.autocast():
        terms = model(batch)
    del terms
    return sum(kept.values())


def optimizer_bytes(model: nn.Module, settings: TrainingSettings, machine: Machine) -> int:
    """Bytes of the optimisers' state, from one step on a copy without storage."""
    shadow = copy.deepcopy(model).to("meta")
    built: list[torch.optim.Optimizer] = settings.optimizer.build(shadow, machine)
    for parameter in shadow.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    for optimizer in built:
        optimizer.step()
    return sum(t.numel() * t.element_size() for t in state_tensors(shadow, built).values())


def forecast(
    model: nn.Module,
    objective: Objective,
    draws: Draws,
    settings: TrainingSettings,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None = None,
    timed: bool = False,
) -> dict[str, Any]:
    """Facts that can be written as JSON; operations a token, memory in bytes, time in seconds.

    timed: also time some steps (on a copy; a time budget is only turned into steps then). The model stays as it was.
    """
    step_units, micro_units = units_of(settings, draws)
    batch = micro_batches(objective, draws, 0, micro_units, micro_units, 0.0)[0]
    here, tokens = batch.to(torch.device(machine.device)), positions([batch])
    state = torch.random.get_rng_state()
    forward = forward_operations(model, here) / max(tokens, 1)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    gradients = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    memory = {
        "weights": weights,
        "gradients": gradients,
        "optimizer": optimizer_bytes(model, settings, machine),
        "activations": activation_bytes(model, here, machine),
    }
    torch.random.set_rng_state(state)
    table = parameter_table(model)
    return {
        "parameters": {
            "total": sum(row["parameters"] for row in table),
            "trained": sum(row["trained"] for row in table),
            "head": table,
        },
        "operations": {"forward_per_token": forward, "training_per_token": training_operations(forward)},
        "memory": memory | {"total": sum(memory.values())},
        "step": {"units": step_units, "micro_units": micro_units, "tokens": step_units * draws.tokens_per_unit},
        "time": time_facts(model, objective, draws, settings, machine, validate) if timed else None,
    }


def time_facts(
    model: nn.Module,
    objective: Objective,
    draws: Draws,
    settings: TrainingSettings,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
) -> dict[str, Any]:
    """Steps of the budget and what they take, from a short timing."""
    step_units, micro_units = units_of(settings, draws)
    step, validation = time_steps(settings, model, objective, draws, machine, validate, step_units, micro_units)
    plan = make_plan(settings, model, objective, draws, machine, validate, measured=(step, validation))
    return {
        "steps": plan.steps,
        "seconds_per_step": step,
        "seconds_per_validation": validation,
        "seconds": plan.steps * step + -(-plan.steps // plan.validate_every) * validation,
        "tokens_per_second": step_units * draws.tokens_per_unit / step,
    }
