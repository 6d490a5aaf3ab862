"""Layouts of cross-attention for fast kernels: sequence k of the stream attends to all of sequence k of the memory.

The reference implementation is `DenseCross`.

Shapes: T positions of the decoder's stream, S positions of the memory, d the width of a head.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from danlu.architectures.transformer.cores import as_bias, fused_attention, plain_attention, prefer_plain
from danlu.architectures.transformer.layout import ROW, FromRows, RowIndex, ToRows, fill_rows
from danlu.batch import Stream


class CrossLayout(Protocol):
    """The arrangement of a stream and a memory for a kernel of cross-attention."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attend from query [T, heads, d] to key and value [S, kv_heads, d]; return [T, heads, d]."""
        ...


def cross_mask(stream: Stream, memory: Stream) -> Tensor:
    """Return the mask of cross-attention, booleans [T, S]: true within sequence k of the stream and of the memory."""
    return stream.sequence[:, None] == memory.sequence


def check_same_count(stream: Stream, memory: Stream) -> None:
    """Raise ValueError if stream and memory differ in the number of sequences."""
    if len(stream) != len(memory):
        raise ValueError(f"the decoder's stream has {len(stream)} sequences and its memory {len(memory)}")


class DenseCross:
    """The reference implementation with one mask [T, S]."""

    def __init__(self, stream: Stream, memory: Stream):
        self.mask = cross_mask(stream, memory)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return fused_attention(q, k, v, self.mask)[0].transpose(0, 1)


class EqualLengthsCross:
    """Sequences of equal length on each side: a reshape without a mask."""

    def __init__(self, stream: Stream, memory: Stream):
        self.sequences = len(stream)
        self.use_plain = prefer_plain(stream.key.device, memory.lengths[0])

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.unflatten(0, (self.sequences, -1)).transpose(1, 2) for x in (query, key, value))
        out = plain_attention(q, k, v, None) if self.use_plain else fused_attention(q, k, v, None)
        return out.transpose(1, 2).flatten(0, 1)


class RowsCross:
    """Sequences packed into rows, each with its memory in the same row, with a block mask.

    A padding query attends to the first key of its row, so that the softmax is defined. Its output is dropped, and no
    real position attends to padding.
    """

    def __init__(self, stream: Stream, memory: Stream):
        rows = fill_rows(tuple(map(max, stream.lengths, memory.lengths)), ROW)
        self.queries, self.keys = RowIndex(stream, rows), RowIndex(memory, rows)
        of_query = stream.sequence[self.queries.gather.view(self.queries.shape)].masked_fill(~self.queries.real, -1)
        of_key = memory.sequence[self.keys.gather.view(self.keys.shape)].masked_fill(~self.keys.real, -2)
        mask = of_query[:, :, None] == of_key[:, None, :]
        mask[:, :, 0] |= ~self.queries.real
        self.use_plain = prefer_plain(stream.key.device, self.keys.shape[1])
        self.mask = (as_bias(mask) if self.use_plain else mask)[:, None]

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (
            ToRows.apply(x, index.gather, index.scatter).unflatten(0, index.shape).transpose(1, 2)  # type: ignore[union-attr]
            for x, index in ((query, self.queries), (key, self.keys), (value, self.keys))
        )
        out = (plain_attention if self.use_plain else fused_attention)(q, k, v, self.mask)
        return FromRows.apply(out.transpose(1, 2).flatten(0, 1), self.queries.gather, self.queries.scatter)  # type: ignore[return-value]


def cross_layout_of(stream: Stream, memory: Stream) -> CrossLayout:
    """Return the fastest layout for these lengths.

    Raises:
        ValueError: if stream and memory differ in the number of sequences.
    """
    check_same_count(stream, memory)
    if len(set(stream.lengths)) == 1 and len(set(memory.lengths)) == 1:
        return EqualLengthsCross(stream, memory)
    return RowsCross(stream, memory)
