"""Properties of a stream, computed on the CPU, that determine the attention layout.

Shapes: T positions of a stream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from danlu.batch import Stream

Order = Literal["causal", "full", "any"]


@dataclass(frozen=True)
class Case:
    """The properties of a stream and of the layers that a layout must support."""

    order: Order  # attention order of all sequences
    equal_lengths: bool  # whether all sequences have the same length
    consecutive: bool  # whether positions increase by one within each sequence
    windows: tuple[int | None, ...]  # windows of the layers; None: global attention
    head_dim: int  # width of a head
    dtype: torch.dtype  # dtype of queries, keys and values
    biased: bool = False  # whether a bias is added to the scores

    @property
    def windowed(self) -> bool:
        """Whether any layer has a window."""
        return any(window is not None for window in self.windows)


def indices_in_sequence(lengths: tuple[int, ...]) -> np.ndarray:
    """Return the index [T] of each position within its sequence."""
    sizes = np.asarray(lengths)
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def order_of(key: np.ndarray, query: np.ndarray, index: np.ndarray) -> Order:
    """Return the attention order of a stream from keys, queries and indices within the sequences, [T] each."""
    if np.array_equal(key, index) and np.array_equal(query, index):
        return "causal"
    if (key == key[0]).all() and (query == key[0]).all():
        return "full"
    return "any"


def are_consecutive(position: np.ndarray, index: np.ndarray) -> bool:
    """Whether positions [T] increase by one within each sequence, so that distances equal differences of indices.

    `index` [T] is the index of each position within its sequence.
    """
    inside = index[1:] > 0
    return bool((np.diff(position)[inside] == 1).all())


def case_of(
    stream: Stream, windows: tuple[int | None, ...], head_dim: int, dtype: torch.dtype, biased: bool = False
) -> Case:
    """Return the case of a stream, computed from its copy on the CPU to avoid a synchronisation with the GPU."""
    host = stream.host or stream
    key, query, position = (t.cpu().numpy() for t in (host.key, host.query, host.inputs["position"]))
    index = indices_in_sequence(stream.lengths)
    return Case(
        order_of(key, query, index),
        len(set(stream.lengths)) == 1,
        are_consecutive(position, index),
        windows,
        head_dim,
        dtype,
        biased,
    )


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype of matrix products with `x`: autocast's if it is enabled, otherwise that of `x`."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
