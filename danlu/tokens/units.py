"""Units: the numbered pieces of data an objective learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.tokens.shards import TokenStore


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
