"""Where a token stands: rotary angles inside attention, or learned vectors beside the embeddings.

Relative positions are in relative.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from danlu.batch import Stream

if TYPE_CHECKING:
    from danlu.architectures.transformer.transformer import Transformer


class PositionEmbedding(nn.Embedding):
    """A learned vector for each position; the first `offset` rows are never used (RoBERTa keeps them for padding)."""

    def __init__(self, context: int, width: int, offset: int):
        super().__init__(context + offset, width)
        self.offset = offset

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input + self.offset)


def rotary_angles(position: Tensor, head_width: int, theta: float) -> tuple[Tensor, Tensor]:
    """Cosine and sine, each [T, 1, head_width] in float32, of rotary embeddings (Su et al. 2021).

    The two halves of a head are the two coordinates of each rotation, as in Llama, Qwen and ModernBERT.
    """
    half = torch.arange(0, head_width, 2, dtype=torch.float32, device=position.device) / head_width
    angle = position[:, None].float() * (1.0 / theta**half)  # as transformers rounds it
    angle = torch.cat([angle, angle], dim=-1)[:, None, :]
    return angle.cos(), angle.sin()


def angles_by_window(
    settings: Transformer, stream: Stream, windows: Iterable[int | None]
) -> dict[int | None, tuple[Tensor, Tensor] | None]:
    """The rotary angles of the stream's positions for layers of each window; None where positions are not rotary."""
    if settings.positions != "rotary":
        return dict.fromkeys(windows)
    position, width = stream.inputs["position"], settings.each_head
    return {w: rotary_angles(position, width, settings.theta_of(w)) for w in dict.fromkeys(windows)}


def rotate(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Turn queries or keys [T, heads, head_width] by their positions; the result has the dtype of `x`."""
    cosine, sine = angles
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    first, second = wide.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (wide * cosine + turned * sine).to(x.dtype)
