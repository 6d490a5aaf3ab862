"""Optimisers: settings that make torch optimisers for the parameters of a network."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.registry import optimizers
from danlu.settings import Settings
from danlu.training import muon
from danlu.training.layer_depth import EMBEDDERS, depths
from danlu.training.precision import Machine

Named = Sequence[tuple[str, nn.Parameter]]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Rates(Settings):
    """What every optimiser can be told.

    learning_rate: of the top layer; layer_decay: each layer below learns by so much less (0.75: three quarters of the
    one above it; the embeddings least; Clark et al. 2020), 1 for all alike. weight_decay: of matrices, never of norms
    and biases; decay_embeddings: of embeddings too.
    """

    learning_rate: float = Field(default=3e-3, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0)
    decay_embeddings: bool = True
    betas: tuple[Beta, Beta] = (0.9, 0.95)

    def groups(self, model: nn.Module, named: Named, rate: float) -> list[dict[str, Any]]:
        """Parameters by their rate and decay."""
        depth = depths(model)
        top = max(depth.values(), default=0)
        widths = {id(m.weight): m.embedding_dim for m in model.modules() if isinstance(m, nn.Embedding)}
        found: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in named:
            embedding = name.split(".")[0] in EMBEDDERS or id(parameter) in widths
            vector = parameter.ndim < 2 or widths.get(id(parameter)) == 1  # a table of one column holds biases
            decay = 0.0 if vector or (embedding and not self.decay_embeddings) else self.weight_decay
            found.setdefault((rate * self.layer_decay ** (top - depth[name]), decay), []).append(parameter)
        return [{"params": own, "lr": lr, "weight_decay": decay} for (lr, decay), own in found.items()]

    def adamw(self, model: nn.Module, named: Named) -> list[torch.optim.Optimizer]:
        """AdamW for these parameters, fused where the device has it; none for none."""
        if not named:
            return []
        fused = named[0][1].device.type in ("cpu", "cuda")
        return [torch.optim.AdamW(self.groups(model, named, self.learning_rate), betas=self.betas, fused=fused)]


MODELS = {"backbone", "decoder"}
"""What is inside a module of such a name, the network's or one of an objective's parts, is a stack of layers."""


def trained(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """The parameters that are not frozen."""
    return [(name, p) for name, p in model.named_parameters() if p.requires_grad]


@optimizers.register
class AdamW(Rates):
    """Loshchilov and Hutter 2019."""

    name: Literal["adamw"] = "adamw"

    def build(self, model: nn.Module, machine: Machine) -> list[torch.optim.Optimizer]:
        return self.adamw(model, trained(model))


MUON = {"bfloat16": partial(torch.optim.Muon, adjust_lr_fn="match_rms_adamw"), "float32": muon.Muon}
"""By the number format of the machine's matrix products."""


@optimizers.register
class Muon(Rates):
    """Muon (Jordan et al. 2024) for the matrices of backbones and decoders, AdamW for embeddings, heads and vectors.

    learning_rate is AdamW's and, scaled to AdamW's update size (Liu et al. 2025), Muon's unless matrix_rate is given.
    Its matrix products are in bfloat16 where the machine's are, else in float32.
    """

    name: Literal["muon"] = "muon"
    matrix_rate: float | None = Field(default=None, gt=0)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    iterations: int = Field(default=5, ge=1)

    def build(self, model: nn.Module, machine: Machine) -> list[torch.optim.Optimizer]:
        named = trained(model)
        tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}  # of relative positions
        inside = [(n, p) for n, p in named if MODELS & set(n.split("."))]
        matrices = [(n, p) for n, p in inside if p.ndim == 2 and id(p) not in tables]
        chosen = {n for n, _ in matrices}
        others = self.adamw(model, [(n, p) for n, p in named if n not in chosen])
        if not matrices:
            return others
        groups = self.groups(model, matrices, self.matrix_rate or self.learning_rate)
        return [MUON[machine.dtype](groups, momentum=self.momentum, ns_steps=self.iterations), *others]


def state_tensors(model: nn.Module, built: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """The optimisers' state as {"parameter name/state name": tensor}, independent of grouping."""
    names: dict[Tensor, str] = {p: n for n, p in model.named_parameters()}
    state = {}
    for optimizer in built:
        for parameter, entries in optimizer.state.items():
            for key, value in entries.items():
                state[f"{names[parameter]}/{key}"] = torch.as_tensor(value).detach().contiguous()
    return state


def load_state_tensors(model: nn.Module, built: Sequence[torch.optim.Optimizer], state: dict[str, Tensor]) -> None:
    """The reverse of `state_tensors`; KeyError when a tensor has no parameter here."""
    parameters = dict(model.named_parameters())
    owners = {p: o for o in built for g in o.param_groups for p in g["params"]}
    for key, value in state.items():
        name, entry = key.rsplit("/", 1)
        parameter = parameters[name]
        owners[parameter].state[parameter][entry] = value.to(parameter.device, copy=True)
