"""Normalisation layers by their names in recipes."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.RMSNorm):
    """torch's RMS norm with the weight in the dtype of the input, as its fused kernel requires, also under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def rms(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Create a root mean square norm (Zhang and Sennrich 2019), which has no bias."""
    return RMSNorm(width, eps=epsilon)


def layer(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Create a layer norm (Ba et al. 2016)."""
    return nn.LayerNorm(width, eps=epsilon, bias=bias)


NORMS: dict[str, Callable[[int, float, bool], nn.Module]] = {"rms": rms, "layer": layer}
