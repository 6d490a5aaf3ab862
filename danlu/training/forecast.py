"""Forecast of the cost of training: parameters by module, operations, memory and time.

The forecast works for any architecture: operations are counted while the model processes one micro-batch of real data,
optimizer state is measured by a step on the meta device, and activations by the tensors that autograd saves.
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
from danlu.training.samples import Samples
from danlu.training.settings import TrainingSettings
from danlu.training.step import micro_batches, positions


def module_group(name: str) -> str:
    """Return the module of a parameter, with `*` for the number of a layer: `backbone.blocks.*.attention`."""
    words = ["*" if word.isdigit() else word for word in name.split(".")[:-1]]
    return ".".join(words[: words.index("*") + 2] if "*" in words else words[:2])


def parameter_table(model: nn.Module) -> list[dict[str, Any]]:
    """Return {"part", "parameters", "trained"} for each module, in the order of the model; tied weights count once."""
    rows: dict[str, dict[str, Any]] = {}
    for name, parameter in model.named_parameters():
        row = rows.setdefault(module_group(name), {"part": module_group(name), "parameters": 0, "trained": 0})
        row["parameters"] += parameter.numel()
        row["trained"] += parameter.numel() if parameter.requires_grad else 0
    return list(rows.values())


def activation_bytes(model: nn.Module, batch: Batch, machine: Machine) -> int:
    """Return the bytes that autograd saves for the backward pass of a micro-batch, without the weights."""
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor), machine.autocast():
        terms = model(batch)
    del terms
    return sum(saved.values())


def optimizer_bytes(model: nn.Module, settings: TrainingSettings, machine: Machine) -> int:
    """Return the bytes of the optimizer state, from one step on a copy of the model on the meta device."""
    meta_model = copy.deepcopy(model).to("meta")
    built: list[torch.optim.Optimizer] = settings.optimizer.build(meta_model, machine)
    for parameter in meta_model.parameters():
        parameter.grad = torch.zeros_like(parameter) if parameter.requires_grad else None
    for optimizer in built:
        optimizer.step()
    return sum(t.numel() * t.element_size() for t in state_tensors(meta_model, built).values())


def forecast(
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    settings: TrainingSettings,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None = None,
    timed: bool = False,
) -> dict[str, Any]:
    """Return the cost as JSON-serialisable facts: operations per token, memory in bytes, time in seconds.

    Args:
        model: the network.
        objective: its objective.
        samples: the training data.
        settings: the training settings.
        machine: device, dtype and threads.
        validate: the validation, whose time is measured; None: no validation.
        timed: whether to time some steps on a copy of the model, which a time budget requires.
    """
    step_units, micro_units = units_of(settings, samples)
    batch = micro_batches(objective, samples, 0, micro_units, micro_units, 0.0)[0]
    device_batch, tokens = batch.to(torch.device(machine.device)), positions([batch])
    state = torch.random.get_rng_state()
    forward = forward_operations(model, device_batch) / max(tokens, 1)
    weights = sum(p.numel() * p.element_size() for p in model.parameters())
    gradients = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    memory = {
        "weights": weights,
        "gradients": gradients,
        "optimizer": optimizer_bytes(model, settings, machine),
        "activations": activation_bytes(model, device_batch, machine),
    }
    torch.random.set_rng_state(state)
    table = parameter_table(model)
    return {
        "parameters": {
            "total": sum(row["parameters"] for row in table),
            "trained": sum(row["trained"] for row in table),
            "parts": table,
        },
        "operations": {"forward_per_token": forward, "training_per_token": training_operations(forward)},
        "memory": memory | {"total": sum(memory.values())},
        "step": {"units": step_units, "micro_units": micro_units, "tokens": step_units * samples.tokens_per_unit},
        "time": time_facts(model, objective, samples, settings, machine, validate) if timed else None,
    }


def time_facts(
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    settings: TrainingSettings,
    machine: Machine,
    validate: Callable[[nn.Module], object] | None,
) -> dict[str, Any]:
    """Return the number of steps in the budget and their duration, measured on a few steps."""
    step_units, micro_units = units_of(settings, samples)
    step, validation = time_steps(settings, model, objective, samples, machine, validate, step_units, micro_units)
    plan = make_plan(settings, model, objective, samples, machine, validate, measured=(step, validation))
    return {
        "steps": plan.steps,
        "seconds_per_step": step,
        "seconds_per_validation": validation,
        "seconds": plan.steps * step + -(-plan.steps // plan.validate_every) * validation,
        "tokens_per_second": step_units * samples.tokens_per_unit / step,
    }
