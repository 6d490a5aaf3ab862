"""What the rest of the house may know of a tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from danlu.errors import WrongInput


@dataclass(frozen=True)
class Vocabulary:
    """Ids are 0 .. size - 1. Those in `special` never come from raw text, but for the unknown token of
    kinds that have one; `bos` and `eos`, which may be one and the
    same, stand at the ends of a document. `mask` is None where a tokenizer of others has none."""

    size: int
    bos: int
    eos: int
    pad: int
    mask: int | None
    special: frozenset[int]

    @cached_property
    def _is_ordinary(self) -> np.ndarray:
        table = np.ones(self.size, bool)
        table[list(self.special)] = False
        return table

    @cached_property
    def _ordinary(self) -> np.ndarray:
        return np.flatnonzero(self._is_ordinary)

    def ordinary(self, ids: np.ndarray) -> np.ndarray:
        """Booleans of the shape of `ids`: which are text."""
        return self._is_ordinary[ids]

    def require_mask(self) -> int:
        """The mask token; WrongInput where there is none."""
        if self.mask is None:
            raise WrongInput("tokenizer: it has no mask token; masked objectives need one of danlu's own kinds")
        return self.mask

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """[n] ids of text, each as likely as any other."""
        return self._ordinary[rng.integers(len(self._ordinary), size=n)]
