"""Multi-head attention over a ragged stream, and the KV cache for incremental decoding.

Shapes: T positions of a stream, d the width of a head; in incremental decoding, "past" and "new" count positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from danlu.architectures.transformer.cores import attend
from danlu.architectures.transformer.layout import Layout
from danlu.architectures.transformer.positions import rotate
from danlu.batch import Stream

Angles = tuple[Tensor, Tensor] | None
"""Cosine and sine of the rotary angles (`positions.rotary_angles`); None if positions are not rotary."""


@dataclass
class Cache:
    """Keys and values of one layer, [past, kv_heads, d] each."""

    key: Tensor
    value: Tensor


@dataclass
class Past:
    """The positions processed so far in incremental decoding, [past] each."""

    sequence: Tensor  # index of the sequence
    key: Tensor  # attention key, rule 1 of `danlu.batch`
    position: Tensor  # position within the sequence

    @classmethod
    def empty(cls, stream: Stream) -> Past:
        """Return a `Past` without positions, on the device of the stream."""
        empty = stream.key[:0]
        return cls(empty, empty, empty)

    def extend(self, stream: Stream) -> Past:
        """Return a `Past` to which the positions of a stream are appended."""
        return Past(
            torch.cat([self.sequence, stream.sequence]),
            torch.cat([self.key, stream.key]),
            torch.cat([self.position, stream.inputs["position"]]),
        )


def extension_mask(stream: Stream, past: Past, window: int | None = None) -> Tensor:
    """Return the attention mask of rule 1 and the window for new positions, booleans [new, past + new]."""
    total = past.extend(stream)
    keys = torch.arange(len(total.key), device=total.key.device)
    queries = keys[len(past.key) :]
    same = stream.sequence[:, None] == total.sequence
    mask = same & ((total.key <= stream.query[:, None]) | (queries[:, None] == keys))
    if window is None:
        return mask
    return mask & ((stream.inputs["position"][:, None] - total.position).abs() <= window)


class Attention(nn.Module):
    """Multi-head attention (Vaswani et al. 2017), [T, width] -> [T, width].

    With fewer key and value heads than query heads, it is grouped-query attention (Ainslie et al. 2023).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        kv_heads: int,
        head_dim: int,
        bias: bool,
        qk_norms: tuple[nn.Module, nn.Module] | None,
        window: int | None = None,
        scaled: bool = True,
    ):
        super().__init__()
        self.shape, self.window, self.scaled = (heads, kv_heads, head_dim), window, scaled
        self.query = nn.Linear(width, heads * head_dim, bias=bias)
        self.key = nn.Linear(width, kv_heads * head_dim, bias=bias)
        self.value = nn.Linear(width, kv_heads * head_dim, bias=bias)
        self.out = nn.Linear(heads * head_dim, width, bias=bias)
        self.query_norm, self.key_norm = qk_norms or (None, None)

    def queries(self, x: Tensor, angles: Angles) -> Tensor:
        """Return the queries [T, heads, d], rotated by their positions."""
        heads, _, d = self.shape
        projected = self.query(x).view(-1, heads, d)
        q = projected if self.query_norm is None else self.query_norm(projected)
        q = q if angles is None else rotate(q, angles)
        return (q if self.scaled else q * d**0.5).to(projected.dtype)  # the kernels divide by sqrt(d)

    def keys_values(self, x: Tensor, angles: Angles) -> tuple[Tensor, Tensor]:
        """Return keys and values [T, kv_heads, d], the keys rotated by their positions."""
        _, kv_heads, d = self.shape
        k, v = self.key(x).view(-1, kv_heads, d), self.value(x).view(-1, kv_heads, d)
        k = k if self.key_norm is None else self.key_norm(k)
        k = k if angles is None else rotate(k, angles)
        return k.to(v.dtype), v

    def forward(self, x: Tensor, layout: Layout, angles: Angles, bias: Tensor | None = None) -> Tensor:
        """Return the output [T, width]; `bias` is the result of `layout.score_bias`."""
        q, (k, v) = self.queries(x, angles), self.keys_values(x, angles)
        return self.out(layout.attend(q, k, v, self.window, bias).flatten(1))

    def extend(
        self, x: Tensor, mask: Tensor, angles: Angles, cache: Cache | None, bias: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Return the output [new, width] of new positions and the updated cache.

        Args:
            x: inputs [new, width].
            mask: booleans [new, past + new].
            angles: rotary angles of the new positions.
            cache: keys and values of past positions; None before the first call.
            bias: added to the scores, [heads, new, past + new].
        """
        k, v = self.keys_values(x, angles)
        if cache is not None:
            k, v = torch.cat([cache.key, k]), torch.cat([cache.value, v])
        return self.attend_to(self.queries(x, angles), Cache(k, v), mask, bias), Cache(k, v)

    def attend_to(self, query: Tensor, cache: Cache, mask: Tensor, bias: Tensor | None = None) -> Tensor:
        """Return the output [new, width] of queries [new, heads, d] over all keys and values of a cache.

        Args:
            query: queries [new, heads, d].
            cache: keys and values [M, kv_heads, d] each.
            mask: booleans [new, M].
            bias: added to the scores, [heads, new, M].
        """
        q, k, v = (x.transpose(0, 1)[None] for x in (query, cache.key, cache.value))
        return self.out(attend(q, k, v, mask, bias)[0].transpose(0, 1).flatten(1))
