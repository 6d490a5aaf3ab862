"""Optimizers: settings that build PyTorch optimizers for the parameters of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.registry import optimizers
from danlu.settings import Settings
from danlu.training import muon
from danlu.training.layer_depth import EMBEDDINGS, depths
from danlu.training.precision import Machine

Named = Sequence[tuple[str, nn.Parameter]]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Optimizer(Settings, ABC):
    """The settings that all optimizers share."""

    learning_rate: float = Field(default=3e-3, gt=0, description="Peak learning rate of the top layer.")
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each layer to the one below it, lowest for the embeddings "
        "(Clark et al. 2020); 1: the same for all.",
    )
    weight_decay: float = Field(default=0.1, ge=0, description="Weight decay of matrices; norms and biases have none.")
    decay_embeddings: bool = Field(default=True, description="Whether weight decay also applies to embeddings.")
    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.95), description="Decay rates of AdamW's moment estimates.")

    @abstractmethod
    def build(self, model: nn.Module, machine: Machine) -> list[torch.optim.Optimizer]:
        """Create the PyTorch optimizers for all parameters of a model that are not frozen."""

    def groups(self, model: nn.Module, named: Named, rate: float) -> list[dict[str, Any]]:
        """Group parameters by learning rate and weight decay."""
        depth = depths(model)
        top = max(depth.values(), default=0)
        widths = {id(m.weight): m.embedding_dim for m in model.modules() if isinstance(m, nn.Embedding)}
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in named:
            embedding = name.split(".")[0] in EMBEDDINGS or id(parameter) in widths
            vector = parameter.ndim < 2 or widths.get(id(parameter)) == 1  # an embedding of width 1 is a bias
            decay = 0.0 if vector or (embedding and not self.decay_embeddings) else self.weight_decay
            groups.setdefault((rate * self.layer_decay ** (top - depth[name]), decay), []).append(parameter)
        return [{"params": members, "lr": lr, "weight_decay": decay} for (lr, decay), members in groups.items()]

    def adamw(self, model: nn.Module, named: Named) -> list[torch.optim.Optimizer]:
        """Create AdamW for these parameters, fused if the device supports it; [] if there are no parameters."""
        if not named:
            return []
        fused = named[0][1].device.type in ("cpu", "cuda")
        return [torch.optim.AdamW(self.groups(model, named, self.learning_rate), betas=self.betas, fused=fused)]


optimizers.base = Optimizer

STACK_MODULES = {"backbone", "decoder"}
"""Names of modules that contain a stack of layers, in the network or in the head of an objective."""


def trainable_parameters(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Return names and parameters that are not frozen."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


@optimizers.register
class AdamW(Optimizer):
    """AdamW (Loshchilov and Hutter 2019)."""

    name: Literal["adamw"] = "adamw"

    def build(self, model: nn.Module, machine: Machine) -> list[torch.optim.Optimizer]:
        return self.adamw(model, trainable_parameters(model))


MUON = {"bfloat16": partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw"), "float32": muon.Muon}
"""Implementation of Muon by the dtype of the machine's matrix products."""


@optimizers.register
class Muon(Optimizer):
    """Muon (Jordan et al. 2024) for the matrices of backbones and decoders, AdamW for embeddings, heads and vectors.

    Updates are scaled to the size of AdamW's (Liu et al. 2025). The matrix products of Muon have the dtype of the
    machine, bfloat16 or float32.
    """

    name: Literal["muon"] = "muon"
    matrix_rate: float | None = Field(
        default=None, gt=0, description="Peak learning rate of the matrices. None: `learning_rate`."
    )
    momentum: float = Field(default=0.95, ge=0, lt=1, description="Nesterov momentum of the matrices.")
    iterations: int = Field(default=5, ge=1, description="Newton-Schulz iterations per update.")

    def build(self, model: nn.Module, machine: Machine) -> list[torch.optim.Optimizer]:
        named = trainable_parameters(model)
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}  # such as relative positions
        in_stacks = [(n, p) for n, p in named if STACK_MODULES & set(n.split("."))]
        matrices = [(n, p) for n, p in in_stacks if p.ndim == 2 and id(p) not in tables]
        matrix_names = {n for n, _ in matrices}
        others = self.adamw(model, [(n, p) for n, p in named if n not in matrix_names])
        if not matrices:
            return others
        groups = self.groups(model, matrices, self.matrix_rate or self.learning_rate)
        return [MUON[machine.dtype](groups, momentum=self.momentum, ns_steps=self.iterations), *others]


def state_tensors(model: nn.Module, built: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """Return the optimizer state as {"parameter name/state name": tensor}, independent of the grouping."""
    names: dict[Tensor, str] = {p: n for n, p in model.named_parameters()}
    state = {}
    for optimizer in built:
        for parameter, entries in optimizer.state.items():
            for key, value in entries.items():
                state[f"{names[parameter]}/{key}"] = torch.as_tensor(value).detach().contiguous()
    return state


def load_state_tensors(model: nn.Module, built: Sequence[torch.optim.Optimizer], state: dict[str, Tensor]) -> None:
    """Load an optimizer state that `state_tensors` returned.

    Raises:
        KeyError: if the model has no parameter of that name.
    """
    parameters = dict(model.named_parameters())
    owners = {p: o for o in built for g in o.param_groups for p in g["params"]}
    for key, value in state.items():
        name, entry = key.rsplit("/", 1)
        parameter = parameters[name]
        owners[parameter].state[parameter][entry] = value.to(parameter.device, copy=True)
