"""Muon with matrix products in the dtype of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class Muon(torch.optim.Muon):
    """PyTorch's Muon with the same settings and state, but without the cast to bfloat16.

    A processor without bfloat16 instructions takes a hundred times as long for products in bfloat16
    (docs/decisions/0015-muon-in-float32.md). Updates are scaled to the size of AdamW's (Liu et al. 2025), as with
    adjust_lr_fn="match_rms_adamw" in PyTorch. Learning rate and weight decay are set by parameter group.
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
        nesterov = gradient.lerp(mean, momentum)
        update = orthogonalise(nesterov, group["ns_coefficients"], group["ns_steps"], group["eps"])
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * 0.2 * max(parameter.shape) ** 0.5)


def orthogonalise(matrix: Tensor, coefficients: tuple[float, float, float], iterations: int, epsilon: float) -> Tensor:
    """Orthogonalise a matrix [rows, columns] approximately by Newton-Schulz iterations (Jordan et al. 2024).

    All singular values of the result are near 1.

    Args:
        matrix: [rows, columns].
        coefficients: coefficients of the quintic polynomial.
        iterations: number of iterations.
        epsilon: lower bound of the norm by which the matrix is divided.
    """
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.T if tall else matrix  # the Gram matrix is smaller for the shorter side
    x = x / x.norm().clamp(min=epsilon)
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
