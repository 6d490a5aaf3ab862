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
    same, stand at the ends of a document. `mask` is None where a tokenizer of others has none. `sentinels`, special
    too, stand each for a blank of its own, the first for the first blank of a text (danlu.tokens.sentinels)."""

    size: int
    bos: int
    eos: int
    pad: int
    mask: int | None
    special: frozenset[int]
    sentinels: tuple[int, ...] = ()

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

    def require_sentinels(self, wanted: int) -> np.ndarray:
        """[wanted] ids in their order; WrongInput where there are fewer."""
        if len(self.sentinels) < wanted:
            raise WrongInput(
                f"tokenizer: it has {len(self.sentinels)} sentinels (<extra_id_0>, ...) and {wanted} are needed; "
                "a run gives one of danlu's as many as its objectives ask for"
            )
        return np.array(self.sentinels[:wanted], np.int64)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """[n] ids of text, each as likely as any other."""
        return self._ordinary[rng.integers(len(self._ordinary), size=n)]
