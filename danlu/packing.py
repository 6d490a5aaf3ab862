"""Sequences laid end to end: what objectives make of units becomes a batch, without padding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.batch import ArraySpec, Batch, Example, Seq, Stream, StreamSpec


def _column(parts: Sequence[Any], lengths: Sequence[int] | None, declared: ArraySpec) -> Tensor:
    """One input, label or mark of all sequences; what a sequence lacks (None) is "no target"."""
    dtype, tail = declared if isinstance(declared, tuple) else (declared, ())
    kind, shape = np.dtype(dtype), tuple(tail)
    none = np.full(shape, np.nan if kind.kind == "f" else -1, kind)
    arrays = [none if part is None else np.asarray(part, kind) for part in parts]
    if lengths is None:
        whole = np.stack(arrays) if arrays else np.empty((0, *shape), kind)
    else:
        arrays = [np.broadcast_to(a, (n, *shape)) for a, n in zip(arrays, lengths, strict=True)]
        whole = np.concatenate(arrays) if arrays else np.empty((0, *shape), kind)
    return torch.from_numpy(np.ascontiguousarray(whole))


def _stream(seqs: Sequence[tuple[int, Seq]], declared: StreamSpec) -> Stream:
    lengths = [len(s.key) for _, s in seqs]

    def line(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *arrays]))

    for _, s in seqs:
        for name in declared.inputs:
            if name not in s.inputs:
                raise ValueError(f"a sequence lacks the declared input {name!r}")
    return Stream(
        inputs={
            **{k: _column([s.inputs[k] for _, s in seqs], lengths, kind) for k, kind in declared.inputs.items()},
            "position": line(s.inputs.get("position", np.arange(len(s.key))) for _, s in seqs),
        },
        labels={k: _column([s.labels.get(k) for _, s in seqs], lengths, kind) for k, kind in declared.labels.items()},
        sequence_labels={
            k: _column([s.sequence_labels.get(k) for _, s in seqs], None, kind)
            for k, kind in declared.sequence_labels.items()
        },
        key=line(s.key for _, s in seqs),
        query=line(s.key if s.query is None else s.query for _, s in seqs),
        offsets=torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int64)),
        group=torch.tensor([g for g, _ in seqs], dtype=torch.int64),
        lengths=tuple(lengths),
    )


def filler(seqs: Sequence[Seq], rooms: int, pieces: int) -> list[Seq]:
    """What fills `rooms` positions of a stream: so many copies of its longest sequence, cut to the room, with the
    inputs and the order they are known to have and without a target."""
    found = []
    for left in range(pieces, 0, -1):
        longest = max(seqs, key=lambda s: len(s.key))
        n = min(len(longest.key), rooms - left + 1)
        query = None if longest.query is None else longest.query[:n]
        found.append(Seq({k: v[:n] for k, v in longest.inputs.items()}, longest.key[:n], query))
        rooms -= n
    return found


def filled_up(streams: Mapping[str, Sequence[tuple[int, Seq]]], group: int, capacity: int) -> dict[str, list]:
    """Each stream that holds anything, up to a multiple of `capacity`, by sequences of the example `group`.

    Streams of as many sequences get as many more: sequence k of one may belong to sequence k of another, as that of a
    decoder to its memory.
    """
    rooms = {name: -sum(len(s.key) for _, s in seqs) % capacity for name, seqs in streams.items() if seqs}
    longest = {name: max(len(s.key) for _, s in streams[name]) for name in rooms}
    pieces = dict.fromkeys((len(streams[name]) for name in rooms), 0)
    settled = False
    while not settled:
        settled = True
        for name, room in rooms.items():
            at, least = len(streams[name]), -(-room // longest[name])
            settled = settled and least <= pieces[at] <= room
            pieces[at] = max(pieces[at], least)
            rooms[name] += capacity * (pieces[at] > room)
    return {
        name: [*seqs, *((group, s) for s in filler([s for _, s in seqs], rooms.get(name, 0), pieces.get(len(seqs), 0)))]
        for name, seqs in streams.items()
    }


def pack(
    examples: Iterable[Example],
    fields: Mapping[str, StreamSpec],
    units: Iterable[int] = (),
    capacity: int | None = None,
) -> Batch:
    """Lay the sequences of `examples` end to end, stream by stream; empty sequences are dropped.

    capacity: streams that hold anything are filled up to a multiple of it, so that compiled steps meet few shapes; what
    fills them is one more group, of no example. The loss and the gradients are the same with it.
    """
    listed = list(examples)
    laid = {
        name: [(g, s) for g, example in enumerate(listed) for s in example.get(name, ()) if len(s.key)]
        for name in fields
    }
    if capacity is not None:
        laid = filled_up(laid, len(listed), capacity)
    return Batch({name: _stream(laid[name], declared) for name, declared in fields.items()}, tuple(units))
