"""Units: the numbered pieces of data from which examples are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.errors import WrongInput
from danlu.tokens.shards import TokenStore


def draw_free(taken: Sequence[tuple[int, int]], units: int, rng: np.random.Generator) -> int:
    """Draw uniformly a unit, 0 .. units - 1, outside the ranges [start, stop). Raises WrongInput if there is none."""
    free, gaps = 0, []
    reached = 0
    for start, stop in sorted([*taken, (units, units)]):
        if start > reached:
            gaps.append((free, reached))
            free += start - reached
        reached = max(reached, stop)
    if not free:
        raise WrongInput(
            "the objective draws several units that share no document, and a split has too few documents; "
            "add documents to the corpus, make them shorter, or draw fewer units at once"
        )
    k = int(rng.integers(free))
    before, gap_start = max(gap for gap in gaps if gap[0] <= k)
    return gap_start + k - before


@dataclass(frozen=True)
class WindowUnits:
    """The windows of a split: unit i is tokens [i * length, (i + 1) * length). The last may be shorter."""

    store: TokenStore
    length: int
    """Tokens of a window."""

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
        """Return the uint8 flags of word and sentence starts (`danlu.tokens.bounds`) of the tokens of `pieces`."""
        return self.store.bounds(*self._range(i), overlap)

    def pieces(self, i: int, overlap: int = 0) -> list[np.ndarray]:
        """Return unit i as int64 ids, one array for each document that it touches.

        Up to `overlap` following tokens of the last document are added. With 1, every transition from a token to the
        next one of its document is in exactly one unit.
        """
        return self.store.pieces(*self._range(i), overlap)

    def draw_apart(self, taken: Sequence[int], rng: np.random.Generator) -> int:
        """Draw uniformly a unit that shares no document with those in `taken`. Raises WrongInput if there is none."""
        ranges = []
        for i in taken:
            start, stop = self.store.documents_around(*self._range(i))
            ranges.append((start // self.length, -(-stop // self.length)))
        return draw_free(ranges, len(self), rng)
