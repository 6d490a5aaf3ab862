"""Units: the numbered pieces of data an objective learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.errors import WrongInput
from danlu.tokens.shards import TokenStore


def draw_free(taken: Sequence[tuple[int, int]], units: int, rng: np.random.Generator) -> int:
    """A number below `units` outside the ranges [start, stop), each as likely; WrongInput when none is left."""
    free, gaps = 0, []
    reached = 0
    for start, stop in sorted([*taken, (units, units)]):
        if start > reached:
            gaps.append((free, reached))
            free += start - reached
        reached = max(reached, stop)
    if not free:
        raise WrongInput(
            "the objective draws several units that share no document, and a split has too few documents for that; "
            "give the corpus more or shorter documents, or ask for fewer at once"
        )
    k = int(rng.integers(free))
    before, begin = max(gap for gap in gaps if gap[0] <= k)
    return begin + k - before


@dataclass(frozen=True)
class WindowUnits:
    """The windows of a split: unit i is tokens [i * length, (i + 1) * length), and the last may be shorter."""

    store: TokenStore
    length: int

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ValueError(f"windows of {self.length} tokens")

    def __len__(self) -> int:
        return -(-self.store.tokens // self.length)

    def _range(self, i: int) -> tuple[int, int]:
        if not 0 <= i < len(self):
            raise IndexError(f"unit {i} of {len(self)}")
        return i * self.length, min((i + 1) * self.length, self.store.tokens)

    def bounds(self, i: int, overlap: int = 0) -> list[np.ndarray]:
        """For the tokens that `pieces` gives, where words and sentences begin (danlu.tokens.bounds)."""
        return self.store.bounds(*self._range(i), overlap)

    def pieces(self, i: int, overlap: int = 0) -> list[np.ndarray]:
        """Unit i as int64 ids, one array for each document it touches, with up to `overlap` following tokens of its own
        document: with 1, every step from token to token inside a document is in exactly one unit."""
        return self.store.pieces(*self._range(i), overlap)

    def draw_apart(self, taken: Sequence[int], rng: np.random.Generator) -> int:
        """A unit that shares no document with those in `taken`, each such unit as likely; WrongInput without one."""
        ranges = []
        for i in taken:
            start, stop = self.store.documents_around(*self._range(i))
            ranges.append((start // self.length, -(-stop // self.length)))
        return draw_free(ranges, len(self), rng)
