"""Normalisation of hidden states, by the name a recipe uses."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


class RMSNorm(nn.RMSNorm):
    """torch's, with the weight in the dtype of the input: its fused kernel wants that, also under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


def rms(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Root mean square norm (Zhang and Sennrich 2019), which never has a bias. [..., width] -> [..., width]."""
    return RMSNorm(width, eps=epsilon)


def layer(width: int, epsilon: float, bias: bool) -> nn.Module:
    """Layer norm (Ba et al. 2016). [..., width] -> [..., width]."""
    return nn.LayerNorm(width, eps=epsilon, bias=bias)


NORMS: dict[str, Callable[[int, float, bool], nn.Module]] = {"rms": rms, "layer": layer}
