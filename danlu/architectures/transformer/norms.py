"""Normalisation of hidden states, by the name a recipe uses."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


def rms(width: int, epsilon: float) -> nn.Module:
    """Root mean square norm (Zhang and Sennrich 2019). [..., width] -> [..., width]."""
    return nn.RMSNorm(width, eps=epsilon)


def layer(width: int, epsilon: float) -> nn.Module:
    """Layer norm (Ba et al. 2016) without bias. [..., width] -> [..., width]."""
    return nn.LayerNorm(width, eps=epsilon, bias=False)


NORMS: dict[str, Callable[[int, float], nn.Module]] = {"rms": rms, "layer": layer}
