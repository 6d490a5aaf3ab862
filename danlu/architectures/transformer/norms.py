"""Normalisation layers by their names in recipes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.RMSNorm):
    """PyTorch's RMS norm with the weight cast to the dtype of the input, which the fused kernel requires."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def rms_norm(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Create an RMS norm (Zhang and Sennrich 2019), which has no bias."""
    return RMSNorm(width, eps=epsilon)


def layer_norm(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Create a layer norm (Ba et al. 2016)."""
    return nn.LayerNorm(width, eps=epsilon, bias=bias)


NORMS: dict[str, Callable[[int, float, bool], nn.Module]] = {"rms": rms_norm, "layer": layer_norm}
