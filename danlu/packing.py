"""Packing: concatenate the sequences of examples to the streams of a batch, without padding.

Shapes: T positions and N sequences of a stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.batch import ArraySpec, Batch, Example, Seq, Stream, StreamSpec


def _join_arrays(values: Sequence[Any], lengths: Sequence[int] | None, spec: ArraySpec) -> Tensor:
    """Return an input or label [T, ...], or a sequence label [N, ...], of all sequences.

    Args:
        values: one value per sequence; None means "no target".
        lengths: positions of each sequence; None for sequence labels.
        spec: dtype, or dtype and trailing shape.
    """
    dtype, tail = spec if isinstance(spec, tuple) else (spec, ())
    kind, shape = np.dtype(dtype), tuple(tail)
    no_target = np.full(shape, np.nan if kind.kind == "f" else -1, kind)
    arrays = [no_target if value is None else np.asarray(value, kind) for value in values]
    if lengths is None:
        joined = np.stack(arrays) if arrays else np.empty((0, *shape), kind)
    else:
        arrays = [np.broadcast_to(a, (n, *shape)) for a, n in zip(arrays, lengths, strict=True)]
        joined = np.concatenate(arrays) if arrays else np.empty((0, *shape), kind)
    return torch.from_numpy(np.ascontiguousarray(joined))


def _build_stream(seqs: Sequence[tuple[int, Seq]], spec: StreamSpec) -> Stream:
    """Concatenate (group, sequence) pairs to a stream."""
    lengths = [len(s.key) for _, s in seqs]

    def concatenate(arrays: Iterable[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate([np.zeros(0, np.int64), *arrays]))

    for _, s in seqs:
        for name in spec.inputs:
            if name not in s.inputs:
                raise ValueError(f"the declared input {name!r} is missing in a sequence")
    return Stream(
        inputs={
            **{k: _join_arrays([s.inputs[k] for _, s in seqs], lengths, kind) for k, kind in spec.inputs.items()},
            "position": concatenate(s.inputs.get("position", np.arange(len(s.key))) for _, s in seqs),
        },
        labels={k: _join_arrays([s.labels.get(k) for _, s in seqs], lengths, kind) for k, kind in spec.labels.items()},
        sequence_labels={
            k: _join_arrays([s.sequence_labels.get(k) for _, s in seqs], None, kind)
            for k, kind in spec.sequence_labels.items()
        },
        key=concatenate(s.key for _, s in seqs),
        query=concatenate(s.key if s.query is None else s.query for _, s in seqs),
        offsets=torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int64)),
        group=torch.tensor([g for g, _ in seqs], dtype=torch.int64),
        lengths=tuple(lengths),
    )


def padding(seqs: Sequence[Seq], positions: int, count: int) -> list[Seq]:
    """Return `count` padding sequences with `positions` positions in total and without targets.

    Each is a prefix of the longest of `seqs`, so that its inputs and attention order are valid.
    """
    longest = max(seqs, key=lambda s: len(s.key))
    padded = []
    for remaining in range(count - 1, -1, -1):
        n = min(len(longest.key), positions - remaining)  # every later sequence needs at least one position
        query = None if longest.query is None else longest.query[:n]
        padded.append(Seq({k: v[:n] for k, v in longest.inputs.items()}, longest.key[:n], query))
        positions -= n
    return padded


def padding_sizes(lengths: Sequence[int], longest: Sequence[int], capacity: int) -> tuple[list[int], int]:
    """Return the number of padding positions of each of several streams, and the number of padding sequences.

    All streams get the same number of padding sequences. Each has at least one position and is no longer than the
    longest sequence of its stream.

    Args:
        lengths: positions of each stream.
        longest: positions of the longest sequence of each stream.
        capacity: lengths of the padded streams are multiples of it.
    """
    positions = [-n % capacity for n in lengths]
    while True:
        count = max(-(-n // most) for n, most in zip(positions, longest, strict=True))
        if min(positions) >= count:
            return positions, count
        positions = [n if n >= count else n + capacity for n in positions]


def pad_streams(streams: Mapping[str, Sequence[tuple[int, Seq]]], group: int, capacity: int) -> dict[str, list]:
    """Pad each non-empty stream to a multiple of `capacity` positions; the padding belongs to `group`.

    Streams with the same number of sequences get the same number of padding sequences, since sequence k of one may
    belong to sequence k of another, as in a decoder and its memory.
    """
    padded = {name: list(seqs) for name, seqs in streams.items()}
    for count in {len(seqs) for seqs in streams.values() if seqs}:
        paired = {name: [s for _, s in seqs] for name, seqs in streams.items() if len(seqs) == count}
        sizes = [[len(s.key) for s in seqs] for seqs in paired.values()]
        positions, extra = padding_sizes(list(map(sum, sizes)), list(map(max, sizes)), capacity)
        for (name, seqs), n in zip(paired.items(), positions, strict=True):
            padded[name] += [(group, s) for s in padding(seqs, n, extra)]
    return padded


def pack(
    examples: Iterable[Example],
    streams: Mapping[str, StreamSpec],
    units: Iterable[int] = (),
    capacity: int | None = None,
) -> Batch:
    """Concatenate the sequences of examples, stream by stream. Empty sequences are dropped.

    Args:
        examples: the examples of the batch.
        streams: the declared streams, by name; the batch contains each of them.
        units: the unit number of each example.
        capacity: pad streams to a multiple of this number of positions, so that compiled code sees few shapes. The
            padding is a separate group without targets; it changes neither losses nor gradients.
    """
    listed = list(examples)
    sequences = {
        name: [(g, s) for g, example in enumerate(listed) for s in example.get(name, ()) if len(s.key)]
        for name in streams
    }
    if capacity is not None:
        sequences = pad_streams(sequences, len(listed), capacity)
    return Batch({name: _build_stream(sequences[name], spec) for name, spec in streams.items()}, tuple(units))
