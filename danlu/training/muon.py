"""Muon with matrix products in the dtype of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """torch's Muon, with the same settings and state, without its cast to bfloat16.

    A processor without bfloat16 instructions takes a hundred times as long for such products
    (docs/decisions/0015-muon-in-float32.md). Updates are scaled to the size of AdamW's (Liu et al. 2025), as with
    adjust_lr_fn="match_rms_adamw" of torch. Parameter groups define the learning rate and weight decay.
    """

    def __init__(self, groups: Iterable[dict[str, Any]], momentum: float, ns_steps: int):
        super().__init__(groups, momentum=momentum, ns_steps=ns_steps, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        if closure is not None:
            raise ValueError("closures are not supported; compute the gradients before the step")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, parameter.grad, group)

    def _update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state, momentum = self.state[parameter], group["momentum"]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        mean = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(mean, momentum)  # Nesterov's
        update = orthogonal(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], iterations: int, least: float) -> Tensor:
    """Bring all singular values of a matrix [rows, columns] near 1 by Newton-Schulz iterations (Jordan et al. 2024).

    Args:
        coefficients: of the quintic polynomial.
        least: lower bound of the norm that the matrix is divided by.
    """
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    found = matrix.T if tall else matrix  # products of the shorter side
    found = found / found.norm().clamp(min=least)
    for _ in range(iterations):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if tall else found
