"""Packing: the sequences of examples become a batch of streams, concatenated without padding.

Shapes: T positions and N sequences of a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.batch import ArraySpec, Batch, Example, Seq, Stream, StreamSpec


def _column(parts: Sequence[Any], lengths: Sequence[int] | None, declared: ArraySpec) -> Tensor:
    """Return one input [T, ...] or sequence label [N, ...] of all sequences; None in `parts` becomes "no target".

    Args:
        lengths: positions of each sequence; None for sequence labels.
    """
    dtype, tail = declared if isinstance(declared, tuple) else (declared, ())
    kind, shape = np.dtype(dtype), tuple(tail)
    no_target = np.full(shape, np.nan if kind.kind == "f" else -1, kind)
    arrays = [no_target if part is None else np.asarray(part, kind) for part in parts]
    if lengths is None:
        whole = np.stack(arrays) if arrays else np.empty((0, *shape), kind)
    else:
        arrays = [np.broadcast_to(a, (n, *shape)) for a, n in zip(arrays, lengths, strict=True)]
        whole = np.concatenate(arrays) if arrays else np.empty((0, *shape), kind)
    return torch.from_numpy(np.ascontiguousarray(whole))


def _stream(seqs: Sequence[tuple[int, Seq]], declared: StreamSpec) -> Stream:
    """Concatenate (group, sequence) pairs."""
    lengths = [len(s.key) for _, s in seqs]

    def concatenated(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *arrays]))

    for _, s in seqs:
        for name in declared.inputs:
            if name not in s.inputs:
                raise ValueError(f"the declared input {name!r} is missing in a sequence")
    return Stream(
        inputs={
            **{k: _column([s.inputs[k] for _, s in seqs], lengths, kind) for k, kind in declared.inputs.items()},
            "position": concatenated(s.inputs.get("position", np.arange(len(s.key))) for _, s in seqs),
        },
        labels={k: _column([s.labels.get(k) for _, s in seqs], lengths, kind) for k, kind in declared.labels.items()},
        sequence_labels={
            k: _column([s.sequence_labels.get(k) for _, s in seqs], None, kind)
            for k, kind in declared.sequence_labels.items()
        },
        key=concatenated(s.key for _, s in seqs),
        query=concatenated(s.key if s.query is None else s.query for _, s in seqs),
        offsets=torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int64)),
        group=torch.tensor([g for g, _ in seqs], dtype=torch.int64),
        lengths=tuple(lengths),
    )


def padding(seqs: Sequence[Seq], positions: int, count: int) -> list[Seq]:
    """Return `count` sequences with `positions` positions in total and without targets.

    Each is the start of the longest of `seqs`, whose inputs and attention order are known to be valid.
    """
    longest = max(seqs, key=lambda s: len(s.key))
    found = []
    for remaining in range(count - 1, -1, -1):
        n = min(len(longest.key), positions - remaining)  # every later sequence needs at least one position
        query = None if longest.query is None else longest.query[:n]
        found.append(Seq({k: v[:n] for k, v in longest.inputs.items()}, longest.key[:n], query))
        positions -= n
    return found


def padding_sizes(lengths: Sequence[int], longest: Sequence[int], capacity: int) -> tuple[list[int], int]:
    """Return the positions to add to each of several streams, and the number of sequences that hold them.

    The number of sequences is the same for all streams. None of them is empty or longer than the longest of its stream.

    Args:
        lengths: positions of each stream.
        longest: positions of the longest sequence of each stream.
        capacity: the padded streams are multiples of it.
    """
    positions = [-n % capacity for n in lengths]
    while True:
        count = max(-(-n // most) for n, most in zip(positions, longest, strict=True))
        if min(positions) >= count:
            return positions, count
        positions = [n if n >= count else n + capacity for n in positions]


def pad_streams(streams: Mapping[str, Sequence[tuple[int, Seq]]], group: int, capacity: int) -> dict[str, list]:
    """Pad each stream that has sequences to a multiple of `capacity` positions; the padding belongs to `group`.

    Streams with equally many sequences get equally many more, since sequence k of one may belong to sequence k of
    another, as a decoder's sequence belongs to its memory.
    """
    padded = {name: list(seqs) for name, seqs in streams.items()}
    for count in {len(seqs) for seqs in streams.values() if seqs}:
        together = {name: [s for _, s in seqs] for name, seqs in streams.items() if len(seqs) == count}
        sizes = [[len(s.key) for s in seqs] for seqs in together.values()]
        positions, extra = padding_sizes(list(map(sum, sizes)), list(map(max, sizes)), capacity)
        for (name, seqs), n in zip(together.items(), positions, strict=True):
            padded[name] += [(group, s) for s in padding(seqs, n, extra)]
    return padded


def pack(
    examples: Iterable[Example],
    streams: Mapping[str, StreamSpec],
    units: Iterable[int] = (),
    capacity: int | None = None,
) -> Batch:
    """Concatenate the sequences of `examples`, stream by stream. Empty sequences are dropped.

    Args:
        streams: the declared streams, by name; every one is in the batch.
        units: the unit number of each example.
        capacity: pad streams to a multiple of it, so that compiled steps meet few shapes. The padding is a group that
            belongs to no example; it changes neither loss nor gradients.
    """
    listed = list(examples)
    sequences = {
        name: [(g, s) for g, example in enumerate(listed) for s in example.get(name, ()) if len(s.key)]
        for name in streams
    }
    if capacity is not None:
        sequences = pad_streams(sequences, len(listed), capacity)
    return Batch({name: _stream(sequences[name], spec) for name, spec in streams.items()}, tuple(units))
