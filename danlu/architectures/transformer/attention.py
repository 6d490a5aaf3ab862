"""Multi-head attention over a ragged stream, with the cache that continues it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.architectures.transformer.cores import attend
from danlu.architectures.transformer.layout import Layout
from danlu.architectures.transformer.positions import rotate
from danlu.waist import Stream


@dataclass
class Cache:
    """Keys and values of one layer: [T, kv_heads, head_width] each, grown by `extend`."""

    key: Tensor
    value: Tensor


@dataclass
class Known:
    """What a continuation has read: sequence, key and position of each, [known] each."""

    sequence: Tensor
    key: Tensor
    position: Tensor

    def grown(self, stream: Stream) -> Known:
        return Known(
            torch.cat([self.sequence, stream.sequence]),
            torch.cat([self.key, stream.key]),
            torch.cat([self.position, stream.inputs["position"]]),
        )


def extension_mask(stream: Stream, known: Known, window: int | None = None) -> Tensor:
    """[new, known + new]: rule 1, and the window, for new positions over everything known and themselves."""
    every = known.grown(stream)
    new = torch.arange(len(known.key), len(every.key), device=every.key.device)
    everything = torch.arange(len(every.key), device=every.key.device)
    same = stream.sequence[:, None] == every.sequence
    seen = same & ((every.key <= stream.query[:, None]) | (new[:, None] == everything))
    if window is None:
        return seen
    return seen & ((stream.inputs["position"][:, None] - every.position).abs() <= window)


class Attention(nn.Module):
    """[T, width] -> [T, width] (Vaswani et al. 2017), grouped-query (Ainslie et al. 2023) when kv_heads < heads."""

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_width: int,
        bias: bool,
        head_norms: tuple[nn.Module, nn.Module] | None,
        window: int | None = None,
    ):
        super().__init__()
        self.shape, self.window = (heads, kv_heads, head_width), window
        self.query = nn.Linear(width, heads * head_width, bias=bias)
        self.key = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.value = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.out = nn.Linear(heads * head_width, width, bias=bias)
        self.query_norm, self.key_norm = head_norms or (None, None)

    def project(self, x: Tensor, angles: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries [T, heads, d], keys and values [T, kv_heads, d], turned to their positions."""
        heads, kv_heads, d = self.shape
        q = self.query(x).view(-1, heads, d)
        k = self.key(x).view(-1, kv_heads, d)
        v = self.value(x).view(-1, kv_heads, d)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if angles is not None:
            q, k = rotate(q, angles), rotate(k, angles)
        return q.to(v.dtype), k.to(v.dtype), v

    def forward(self, x: Tensor, layout: Layout, angles: tuple[Tensor, Tensor] | None) -> Tensor:
        return self.out(layout.attend(*self.project(x, angles), self.window).flatten(1))

    def extend(
        self, x: Tensor, mask: Tensor, angles: tuple[Tensor, Tensor] | None, known: Cache | None
    ) -> tuple[Tensor, Cache]:
        """New positions only; `mask` [new, known + new] says what each of them sees."""
        q, k, v = self.project(x, angles)
        if known is not None:
            k, v = torch.cat([known.key, k]), torch.cat([known.value, v])
        a = attend(q.transpose(0, 1)[None], k.transpose(0, 1)[None], v.transpose(0, 1)[None], mask)
        return self.out(a[0].transpose(0, 1).flatten(1)), Cache(k, v)
