"""Position encodings: learned embeddings and rotary angles. Relative positions are in relative.py.

Shapes: T positions of a stream.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from danlu.architectures.transformer.settings import TransformerSettings
from danlu.batch import Stream


class PositionEmbedding(nn.Embedding):
    """Learned positions (Devlin et al. 2019). The first `offset` rows are not used; RoBERTa has them for padding."""

    def __init__(self, context: int, width: int, offset: int):
        super().__init__(context + offset, width)
        self.offset = offset

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input + self.offset)


def rotary_angles(position: Tensor, head_dim: int, theta: float) -> tuple[Tensor, Tensor]:
    """Return cosine and sine, [T, 1, head_dim] each in float32, of rotary embeddings (Su et al. 2021).

    Coordinate i of the first half of a head is rotated with coordinate i of the second half, as in Llama, Qwen and
    ModernBERT.
    """
    exponent = torch.arange(0, head_dim, 2, dtype=torch.float32, device=position.device) / head_dim
    angle = position[:, None].float() * (1.0 / theta**exponent)  # in float32 and in this order, as in transformers
    angle = torch.cat([angle, angle], dim=-1)[:, None, :]
    return angle.cos(), angle.sin()


def angles_by_window(
    settings: TransformerSettings, stream: Stream, windows: Iterable[int | None]
) -> dict[int | None, tuple[Tensor, Tensor] | None]:
    """Return the rotary angles for the layers of each window; None if positions are not rotary."""
    if settings.positions != "rotary":
        return dict.fromkeys(windows)
    position, width = stream.inputs["position"], settings.head_size
    return {w: rotary_angles(position, width, settings.theta_of(w)) for w in dict.fromkeys(windows)}


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Rotate queries or keys [T, heads, head_dim] by the angles of their positions; keep their dtype."""
    cosine, sine = angles
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    first, second = wide.chunk(2, dim=-1)
    rotated = torch.cat([-second, first], dim=-1)
    return (wide * cosine + rotated * sine).to(x.dtype)
