"""Multi-head attention over a ragged stream, with the cache that continues it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.architectures.transformer.cores import attend
from danlu.architectures.transformer.layout import Layout
from danlu.architectures.transformer.positions import rotate
from danlu.batch import Stream

Angles = tuple[Tensor, Tensor] | None
"""Of rotary positions: cosine and sine, `positions.rotary_angles`."""


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

    @classmethod
    def nothing(cls, stream: Stream) -> Known:
        """Before anything is read; on the stream's device."""
        none = stream.key[:0]
        return cls(none, none, none)

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
        scaled: bool = True,
    ):
        super().__init__()
        self.shape, self.window, self.scaled = (heads, kv_heads, head_width), window, scaled
        self.query = nn.Linear(width, heads * head_width, bias=bias)
        self.key = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.value = nn.Linear(width, kv_heads * head_width, bias=bias)
        self.out = nn.Linear(heads * head_width, width, bias=bias)
        self.query_norm, self.key_norm = head_norms or (None, None)

    def queries(self, x: Tensor, angles: Angles) -> Tensor:
        """[T, heads, d], turned to their positions."""
        heads, _, d = self.shape
        made = self.query(x).view(-1, heads, d)
        q = made if self.query_norm is None else self.query_norm(made)
        q = q if angles is None else rotate(q, angles)
        return (q if self.scaled else q * d**0.5).to(made.dtype)  # the kernels divide by as much

    def keys_values(self, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor]:
        """[T, kv_heads, d] each, the keys turned to their positions."""
        _, kv_heads, d = self.shape
        k, v = self.key(x).view(-1, kv_heads, d), self.value(x).view(-1, kv_heads, d)
        k = k if self.key_norm is None else self.key_norm(k)
        k = k if angles is None else rotate(k, angles)
        return k.to(v.dtype), v

    def forward(self, x: Tensor, layout: Layout, angles: Angles, bias: Tensor | None = None) -> Tensor:
        """`bias`: what `layout.biased` gave."""
        q, (k, v) = self.queries(x, angles), self.keys_values(x, angles)
        return self.out(layout.attend(q, k, v, self.window, bias).flatten(1))

    def extend(
        self, x: Tensor, mask: Tensor, angles: Angles, known: Cache | None, bias: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """New positions only; `mask` [new, known + new] says what each of them sees, `bias` [heads, new, known + new]
        is added to their scores."""
        k, v = self.keys_values(x, angles)
        if known is not None:
            k, v = torch.cat([known.key, k]), torch.cat([known.value, v])
        return self.look(self.queries(x, angles), Cache(k, v), mask, bias), Cache(k, v)

    def look(self, query: Tensor, at: Cache, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """Queries [new, heads, d] at everything in a cache -> [new, width]."""
        q, k, v = (x.transpose(0, 1)[None] for x in (query, at.key, at.value))
        return self.out(attend(q, k, v, mask, bias)[0].transpose(0, 1).flatten(1))
