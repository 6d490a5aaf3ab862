"""Optimisers: settings that make torch optimisers for the parameters of a learner."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.registry import optimizers
from danlu.settings import Settings


def adamw(
    parameters: Sequence[nn.Parameter], rate: float, decay: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """AdamW that decays matrices and leaves vectors (norms, biases) alone."""
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, betas=betas, eps=1e-8)


@optimizers.register
class AdamW(Settings):
    """Loshchilov and Hutter 2019."""

    name: Literal["adamw"] = "adamw"
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    betas: tuple[float, float] = (0.9, 0.95)

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        return [adamw(list(model.parameters()), self.learning_rate, self.weight_decay, self.betas)]


@optimizers.register
class Muon(Settings):
    """Muon (Jordan et al. 2024) for the matrices of the backbone, AdamW for embeddings, heads and vectors.

    learning_rate is AdamW's and, scaled to AdamW's update size (Liu et al. 2025), Muon's unless matrix_rate is given.
    """

    name: Literal["muon"] = "muon"
    learning_rate: float = Field(default=3e-3, gt=0)
    matrix_rate: float | None = Field(default=None, gt=0)
    weight_decay: float = Field(default=0.1, ge=0)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    betas: tuple[float, float] = (0.9, 0.95)
    iterations: int = Field(default=5, ge=1)

    def build(self, model: nn.Module) -> list[torch.optim.Optimizer]:
        matrices = [p for n, p in model.named_parameters() if n.startswith("backbone.") and p.ndim == 2]
        chosen = {id(p) for p in matrices}
        rest = [p for p in model.parameters() if id(p) not in chosen]
        muon = torch.optim.Muon(
            matrices,
            lr=self.matrix_rate or self.learning_rate,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            ns_steps=self.iterations,
            adjust_lr_fn="match_rms_adamw",
        )
        return (
            [muon, adamw(rest, self.learning_rate, self.weight_decay, self.betas)]
            if matrices
            else [adamw(rest, self.learning_rate, self.weight_decay, self.betas)]
        )


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
        owners[parameter].state[parameter][entry] = value.clone()
