"""Sequences, streams and batches: the data structures that objectives, architectures and the training loop share.

    unit n --Objective.example--> Example --pack--> Batch --Network--> {term: sum of losses}

Shapes: T positions of a stream, N sequences of a stream, L positions of one sequence.

1. A `Stream` is N sequences concatenated, never padded. Position i attends to position j if and only if both are in
   the same sequence and (key[j] <= query[i] or i == j). key = query = 0, 1, 2, ... is causal; all 0 is full; 0 over a
   prefix, then 1, 2, ... is prefix; a random rank is permutation; key = HIDDEN_KEY marks a position that attends but is
   never attended to; key = 1 with query = 0 is pointwise: every position sees itself only.
2. Labels travel with the stream, one per position (`labels`) or one per sequence (`sequence_labels`); -1 (integers) or
   NaN (floats) means "no target". The number of targets of each term is known before the forward pass, so a step
   divides by the count of the whole step, however it is split.
3. An objective declares its streams and terms. A batch holds every declared stream; a stream may be empty.
4. Randomness of the data, such as masking, is drawn when examples are built: example n is a pure function of (seed, n).
5. A fine-tuning task is an objective whose units are rows of a table.

A model has a backbone and, if the objective requires one, a decoder. Sequence k of the decoder's stream attends to all
positions of sequence k of a `Memory`, in addition to its own positions by rule 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

HIDDEN_KEY = 1 << 30
"""A key greater than any query: the position attends to others but is never attended to."""

ArraySpec = Any
"""A dtype, or (dtype, trailing shape)."""


@dataclass
class Seq:
    """One sequence of L positions."""

    inputs: dict[str, np.ndarray]  # name -> [L, ...]
    key: np.ndarray  # [L], see rule 1
    query: np.ndarray | None = None  # [L]; None: the same as key
    labels: dict[str, np.ndarray] = field(default_factory=dict)  # name -> [L, ...], one target per position
    sequence_labels: dict[str, Any] = field(default_factory=dict)  # name -> [...], one target per sequence


Example = dict[str, list[Seq]]
"""Stream name -> its sequences. One example is one group: it is never split over micro-batches."""


@dataclass(frozen=True)
class StreamSpec:
    """The arrays that a stream carries, by name."""

    inputs: Mapping[str, ArraySpec] = field(default_factory=lambda: {"token": np.int64})
    labels: Mapping[str, ArraySpec] = field(default_factory=dict)
    sequence_labels: Mapping[str, ArraySpec] = field(default_factory=dict)


def to_device(value: Tensor, device: torch.device) -> Tensor:
    """Move a tensor; copies to a GPU start from pinned memory and do not block."""
    if device.type == "cuda" and value.device.type == "cpu":
        return value.pin_memory().to(device, non_blocking=True)
    return value.to(device)


@dataclass
class Stream:
    """N sequences end to end, T positions in total."""

    inputs: dict[str, Tensor]  # name -> [T, ...]
    labels: dict[str, Tensor]  # name -> [T, ...]
    sequence_labels: dict[str, Tensor]  # name -> [N, ...]
    key: Tensor  # [T]
    query: Tensor  # [T]
    offsets: Tensor  # [N + 1], where each sequence starts; the last entry is T
    group: Tensor  # [N], the example that each sequence belongs to
    lengths: tuple[int, ...]  # the N lengths as Python integers, so that no backbone waits for a device
    # The packed stream on the CPU. `to` keeps it; `dataclasses.replace` drops it, since the content may have changed.
    host: Stream | None = field(default=None, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def sequence(self) -> Tensor:
        """The index of the sequence that each position is in, [T]."""
        numbers = torch.arange(len(self), device=self.key.device)
        return torch.repeat_interleave(numbers, self.offsets.diff(), output_size=sum(self.lengths))

    def mean(self, x: Tensor) -> Tensor:
        """Average over the positions of each sequence: [T, width] -> [N, width]."""
        sums = x.new_zeros(len(self), x.shape[1]).index_add(0, self.sequence, x)
        return sums / self.offsets.diff().to(x.dtype)[:, None]

    def attention_mask(self) -> Tensor:
        """Return the mask of rule 1, booleans [T, T]: the reference for every attention implementation."""
        s, t = self.sequence, torch.arange(len(self.key), device=self.key.device)
        return (s[:, None] == s) & ((self.key <= self.query[:, None]) | (t[:, None] == t))

    def to(self, device: torch.device) -> Stream:
        def move(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
            return {k: to_device(v, device) for k, v in tensors.items()}

        copy = replace(
            self,
            inputs=move(self.inputs),
            labels=move(self.labels),
            sequence_labels=move(self.sequence_labels),
            key=to_device(self.key, device),
            query=to_device(self.query, device),
            offsets=to_device(self.offsets, device),
            group=to_device(self.group, device),
        )
        copy.host = self.host or self
        return copy


@dataclass
class Memory:
    """The hidden states that a decoder attends to."""

    hidden: Tensor  # [S, width]
    stream: Stream  # the stream of the hidden states, with as many sequences as the decoder's stream


@dataclass
class Batch:
    """The packed streams of some examples, and the unit number of each example."""

    streams: dict[str, Stream]
    units: tuple[int, ...] = ()

    def __getitem__(self, name: str) -> Stream:
        return self.streams[name]

    def of(self, prefix: str) -> Batch:
        """Select the streams of one objective of a mixture."""
        start = prefix + "."
        return Batch({k.removeprefix(start): v for k, v in self.streams.items() if k.startswith(start)}, self.units)

    def to(self, device: torch.device) -> Batch:
        return Batch({k: v.to(device) for k, v in self.streams.items()}, self.units)


def causal_order(length: int) -> np.ndarray:
    """Return the key [length] of causal attention: every position attends to itself and those before it."""
    return np.arange(length, dtype=np.int64)


def full_order(length: int) -> np.ndarray:
    """Return the key [length] of full attention: every position attends to all positions."""
    return np.zeros(length, dtype=np.int64)


def pointwise_order(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Return key and query [length] of pointwise attention: every position attends to itself only."""
    return np.ones(length, np.int64), np.zeros(length, np.int64)


ATTENTION_ORDERS: Mapping[str, Callable[[int], tuple[np.ndarray, np.ndarray | None]]] = {
    "causal": lambda length: (causal_order(length), None),
    "pointwise": pointwise_order,
    "full": lambda length: (full_order(length), None),
}
"""Name of an attention order -> a function that returns key and query [length]; query None means equal to key."""


def has_target(label: Tensor) -> Tensor:
    """Return whether labels are targets, booleans [...]: integers >= 0 and floats that are not NaN are."""
    return ~label.isnan() if label.is_floating_point() else label >= 0


def label_scope(stream: str) -> str:
    """Return the prefix of a stream's labels in `Objective.terms`.

    It is "key." for the stream "key.stream" of a mixture, otherwise "".
    """
    return stream.rsplit(".", 1)[0] + "." if "." in stream else ""
