"""How a decoder's attention to its memory is laid out for the fast kernels: sequence k of the stream sees all of
sequence k of the memory, and nothing else. The reference is `pairs`."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from danlu.architectures.transformer.cores import as_bias, fused, plain, plain_pays
from danlu.architectures.transformer.layout import ROW, Collect, Places, Spread, fill_rows
from danlu.batch import Stream


class CrossLayout(Protocol):
    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """query [T, heads, d]; key, value [S, kv_heads, d] of the memory -> [T, heads, d]."""
        ...


def pairs(stream: Stream, memory: Stream) -> Tensor:
    """[T, S] booleans: which position of the memory each position of the stream sees."""
    return stream.sequence[:, None] == memory.sequence


def refuse_odd(stream: Stream, memory: Stream) -> None:
    """ValueError unless there are as many sequences on either side."""
    if len(stream) != len(memory):
        raise ValueError(f"a decoder's stream of {len(stream)} sequences beside a memory of {len(memory)}")


class DenseCross:
    """The reference: one [T, S] mask."""

    def __init__(self, stream: Stream, memory: Stream):
        self.seen = pairs(stream, memory)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return fused(q, k, v, self.seen)[0].transpose(0, 1)


class EvenCross:
    """All sequences of one length on either side: a reshape without a mask."""

    def __init__(self, stream: Stream, memory: Stream):
        self.sequences = len(stream)
        self.plain = plain_pays(stream.key.device, memory.lengths[0])

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (x.unflatten(0, (self.sequences, -1)).transpose(1, 2) for x in (query, key, value))
        out = plain(q, k, v, None) if self.plain else fused(q, k, v, None)
        return out.transpose(1, 2).flatten(0, 1)


class RowsCross:
    """Pairs of sequences gathered into rows with a block mask. A filler query sees the first position of its row, so
    that no row of the mask is empty; it is dropped, and nothing real ever sees filler."""

    def __init__(self, stream: Stream, memory: Stream):
        rows = fill_rows(tuple(map(max, stream.lengths, memory.lengths)), ROW)
        self.asking, self.asked = Places(stream, rows), Places(memory, rows)
        of_query = stream.sequence[self.asking.gather.view(self.asking.shape)].masked_fill(~self.asking.real, -1)
        of_key = memory.sequence[self.asked.gather.view(self.asked.shape)].masked_fill(~self.asked.real, -2)
        seen = of_query[:, :, None] == of_key[:, None, :]
        seen[:, :, 0] |= ~self.asking.real
        self.plain = plain_pays(stream.key.device, self.asked.shape[1])
        self.mask = (as_bias(seen) if self.plain else seen)[:, None]

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        q, k, v = (
            Spread.apply(x, at.gather, at.scatter).unflatten(0, at.shape).transpose(1, 2)  # type: ignore[union-attr]
            for x, at in ((query, self.asking), (key, self.asked), (value, self.asked))
        )
        out = (plain if self.plain else fused)(q, k, v, self.mask)
        return Collect.apply(out.transpose(1, 2).flatten(0, 1), self.asking.gather, self.asking.scatter)  # type: ignore[return-value]


def cross_layout_of(stream: Stream, memory: Stream) -> CrossLayout:
    """The fastest layout for these lengths. ValueError unless there are as many sequences on either side."""
    refuse_odd(stream, memory)
    if len(set(stream.lengths)) == 1 and len(set(memory.lengths)) == 1:
        return EvenCross(stream, memory)
    return RowsCross(stream, memory)
