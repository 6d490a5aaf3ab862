"""Properties of a stream that are known on the CPU and decide which attention layout is used.

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
    """What a layout must support."""

    order: Order  # the attention order that all sequences of the stream have
    even: bool  # whether all sequences have the same length
    steady: bool  # whether positions increase by one within each sequence
    windows: tuple[int | None, ...]  # the windows of the layers; None: global
    head_dim: int  # width of a head
    dtype: torch.dtype  # of queries, keys and values
    biased: bool = False  # whether a bias is added to the scores

    @property
    def windowed(self) -> bool:
        """Whether any layer has a window."""
        return any(window is not None for window in self.windows)


def places(lengths: tuple[int, ...]) -> np.ndarray:
    """Return the index [T] of each position within its sequence."""
    sizes = np.asarray(lengths)
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def order_of(key: np.ndarray, query: np.ndarray, place: np.ndarray) -> Order:
    """Return the attention order of a stream from its key, query and places, [T] each."""
    if np.array_equal(key, place) and np.array_equal(query, place):
        return "causal"
    if (key == key[0]).all() and (query == key[0]).all():
        return "full"
    return "any"


def steady(position: np.ndarray, place: np.ndarray) -> bool:
    """Whether positions increase by one within each sequence, so that distances are differences of indices."""
    within = place[1:] > 0
    return bool((np.diff(position)[within] == 1).all())


def case_of(
    stream: Stream, windows: tuple[int | None, ...], head_dim: int, dtype: torch.dtype, biased: bool = False
) -> Case:
    """Return the case of a stream. It is computed from the packed stream on the CPU, without waiting for a device."""
    host = stream.host or stream
    key, query, position = (t.cpu().numpy() for t in (host.key, host.query, host.inputs["position"]))
    place = places(stream.lengths)
    return Case(
        order_of(key, query, place),
        len(set(stream.lengths)) == 1,
        steady(position, place),
        windows,
        head_dim,
        dtype,
        biased,
    )


def product_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype in which `x` is multiplied, under autocast or not."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
