"""Sequences laid end to end: what objectives make of units becomes a batch, without padding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.waist import Batch, Declared, Example, Fields, Seq, Stream


def _column(parts: Sequence[Any], lengths: Sequence[int] | None, declared: Declared) -> Tensor:
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


def _stream(seqs: Sequence[tuple[int, Seq]], declared: Fields) -> Stream:
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
        marks={k: _column([s.marks.get(k) for _, s in seqs], None, kind) for k, kind in declared.marks.items()},
        key=line(s.key for _, s in seqs),
        query=line(s.key if s.query is None else s.query for _, s in seqs),
        offsets=torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int64)),
        group=torch.tensor([g for g, _ in seqs], dtype=torch.int64),
        lengths=tuple(lengths),
    )


def filler(seqs: Sequence[Seq], capacity: int) -> list[Seq]:
    """What fills a stream up to the next multiple of `capacity`: copies of its longest sequence, cut to the room, with
    the inputs and the order they are known to have and without a target."""
    room = -sum(len(s.key) for s in seqs) % capacity
    longest = max(seqs, key=lambda s: len(s.key), default=None)
    found = []
    while longest is not None and room:
        n = min(room, len(longest.key))
        query = None if longest.query is None else longest.query[:n]
        found.append(Seq({k: v[:n] for k, v in longest.inputs.items()}, longest.key[:n], query))
        room -= n
    return found


def pack(
    examples: Iterable[Example],
    fields: Mapping[str, Fields],
    units: Iterable[int] = (),
    capacity: int | None = None,
) -> Batch:
    """Lay the sequences of `examples` end to end, stream by stream; empty sequences are dropped.

    capacity: streams that hold anything are filled up to a multiple of it, so that compiled steps meet few shapes; what
    fills them is one more group, of no example. The loss and the gradients are the same with it.
    """
    listed = list(examples)
    streams = {}
    for name, declared in fields.items():
        seqs = [(g, s) for g, example in enumerate(listed) for s in example.get(name, ()) if len(s.key)]
        if capacity is not None:
            seqs += [(len(listed), s) for s in filler([s for _, s in seqs], capacity)]
        streams[name] = _stream(seqs, declared)
    return Batch(streams, tuple(units))
