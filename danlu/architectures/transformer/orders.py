"""What is known of a stream's order before anything runs: by it the layout of attention is chosen."""

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
    """order: the case of rule 1 that all sequences have; even: whether they have one length; steady: whether positions
    go up by one inside each sequence; windows: how far layers see, None for all; head_width and dtype: of what is
    multiplied; biased: whether something is added to the scores.
    """

    order: Order
    even: bool
    steady: bool
    windows: tuple[int | None, ...]
    head_width: int
    dtype: torch.dtype
    biased: bool = False

    @property
    def windowed(self) -> bool:
        """Whether some layer does not see all."""
        return any(window is not None for window in self.windows)


def places(lengths: tuple[int, ...]) -> np.ndarray:
    """[T]: which position of its sequence each is, from 0."""
    sizes = np.asarray(lengths)
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def order_of(key: np.ndarray, query: np.ndarray, place: np.ndarray) -> Order:
    """Of sequences end to end, [T] each."""
    if np.array_equal(key, place) and np.array_equal(query, place):
        return "causal"
    if (key == key[0]).all() and (query == key[0]).all():
        return "full"
    return "any"


def steady(position: np.ndarray, place: np.ndarray) -> bool:
    """Whether the distance of two positions of a sequence is how many steps they are apart."""
    within = place[1:] > 0
    return bool((np.diff(position)[within] == 1).all())


def case_of(
    stream: Stream, windows: tuple[int | None, ...], head_width: int, dtype: torch.dtype, biased: bool = False
) -> Case:
    """From the stream as it was packed, so that no device is waited for."""
    host = stream.host or stream
    key, query, position = (t.cpu().numpy() for t in (host.key, host.query, host.inputs["position"]))
    place = places(stream.lengths)
    return Case(
        order_of(key, query, place),
        len(set(stream.lengths)) == 1,
        steady(position, place),
        windows,
        head_width,
        dtype,
        biased,
    )


def product_dtype(x: Tensor) -> torch.dtype:
    """What `x` will be multiplied in."""
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
