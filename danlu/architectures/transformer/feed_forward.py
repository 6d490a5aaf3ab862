"""Feed-forward layers, plain or gated."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional as F


def relu2(x: Tensor) -> Tensor:
    """Squared ReLU (So et al. 2021)."""
    return F.relu(x).square()


def gelu_tanh(x: Tensor) -> Tensor:
    """The tanh approximation of GELU (Hendrycks and Gimpel 2016), which GPT-2 uses."""
    return F.gelu(x, approximate="tanh")


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": gelu_tanh,
    "silu": F.silu,
    "relu": F.relu,
    "relu2": relu2,
}


class Plain(nn.Module):
    """down(activation(up(x))). [T, width] -> [T, width]."""

    def __init__(self, width: int, ffn_width: int, activation: str, bias: bool):
        super().__init__()
        self.up = nn.Linear(width, ffn_width, bias=bias)
        self.down = nn.Linear(ffn_width, width, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.activation(self.up(x)))


class Gated(nn.Module):
    """down(activation(gate(x)) * up(x)) (Shazeer 2020). [T, width] -> [T, width]."""

    def __init__(self, width: int, ffn_width: int, activation: str, bias: bool):
        super().__init__()
        self.gate = nn.Linear(width, ffn_width, bias=bias)
        self.up = nn.Linear(width, ffn_width, bias=bias)
        self.down = nn.Linear(ffn_width, width, bias=bias)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.down(self.activation(self.gate(x)) * self.up(x))
