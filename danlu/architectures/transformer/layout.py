"""How attention lays a ragged stream out for the fast kernels; the reference is `Stream.sees`.

A layout is made once for a stream and shared by all layers. All give the same numbers as `Dense`.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from danlu.waist import Stream

ROW = 256
"""Positions that short sequences are gathered into for one attention row; longer sequences get a row of their own."""


class Layout(Protocol):
    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query [T, heads, d]; key, value [T, kv_heads, d] -> [T, heads, d]."""
        ...


def _attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool = False) -> Tensor:
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=grouped)


class Dense:
    """The reference: one [T, T] mask straight from rule 1."""

    def __init__(self, stream: Stream):
        self.mask = stream.sees()

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return _attention(q, k, v, self.mask)[0].transpose(0, 1)


class Even:
    """Sequences of one length, all causal or all full: a reshape and the kernel's own mask."""

    def __init__(self, sequences: int, causal: bool):
        self.sequences, self.causal = sequences, causal

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.unflatten(0, (self.sequences, -1)).transpose(1, 2) for x in (query, key, value))
        return _attention(q, k, v, None, self.causal).transpose(1, 2).flatten(0, 1)


class Rows:
    """Whole sequences gathered into rows of about equal length with a block mask.

    Only the attention operator sees filler, and a filler position sees itself alone, so that no row of the mask is
    empty; nothing real ever sees it.
    """

    def __init__(self, stream: Stream):
        device = stream.key.device
        rows = fill_rows(stream.lengths, ROW)
        self.shape = (len(rows), max(sum(stream.lengths[s] for s in row) for row in rows))
        starts = stream.offsets.tolist()
        gather = torch.full(self.shape, -1, dtype=torch.int64)
        for r, row in enumerate(rows):
            at = torch.cat([torch.arange(starts[s], starts[s] + stream.lengths[s]) for s in row])
            gather[r, : len(at)] = at
        gather = gather.to(device)
        real = gather >= 0
        self.gather = gather.clamp(min=0)
        self.scatter = torch.empty(len(stream.key), dtype=torch.int64, device=device)
        self.scatter[gather[real]] = real.flatten().nonzero().squeeze(1)
        sequence = stream.sequence[self.gather].masked_fill(~real, -1)
        key, query = stream.key[self.gather], stream.query[self.gather]
        same = (sequence[:, :, None] == sequence[:, None, :]) & real[:, None, :]
        itself = torch.eye(self.shape[1], dtype=torch.bool, device=device)
        self.mask = ((same & (key[:, None, :] <= query[:, :, None])) | itself)[:, None]

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x[self.gather].transpose(1, 2) for x in (query, key, value))
        return _attention(q, k, v, self.mask).transpose(1, 2).flatten(0, 1)[self.scatter]


def fill_rows(lengths: tuple[int, ...], capacity: int) -> list[list[int]]:
    """Sequence numbers by row: longest first, each into the first row with room (first-fit decreasing)."""
    capacity = max(capacity, *lengths)
    rows: list[list[int]] = []
    room: list[int] = []
    for s in sorted(range(len(lengths)), key=lambda s: (-lengths[s], s)):
        for r, left in enumerate(room):
            if left >= lengths[s]:
                rows[r].append(s)
                room[r] -= lengths[s]
                break
        else:
            rows.append([s])
            room.append(capacity - lengths[s])
    return rows


def layout_of(stream: Stream) -> Layout:
    """The fastest layout that honours the stream's order."""
    if len(set(stream.lengths)) == 1:
        position = torch.arange(stream.lengths[0], device=stream.key.device).repeat(len(stream))
        if bool((stream.key == position).all() and (stream.query == position).all()):
            return Even(len(stream), causal=True)
        if bool((stream.key == stream.key[0]).all() and (stream.query == stream.key[0]).all()):
            return Even(len(stream), causal=False)
    return Rows(stream)
