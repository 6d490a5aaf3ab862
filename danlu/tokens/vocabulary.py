"""The vocabulary of a tokenizer: its size and special ids, which objectives and models use."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from danlu.errors import WrongInput


@dataclass(frozen=True)
class Vocabulary:
    """The ids of a tokenizer, 0 .. size - 1, and those of its special tokens."""

    size: int
    bos: int
    """Placed before every document."""
    eos: int
    """Placed after every document; may equal `bos`."""
    pad: int
    mask: int | None
    """None if an external tokenizer has no mask token."""
    special: frozenset[int]
    """Ids of all special tokens. Raw text never produces them, except for the unknown token of kinds that have one."""
    sentinels: tuple[int, ...] = ()
    """Ids of the sentinels, which are special too; the k-th stands for the k-th blank of a text."""

    @cached_property
    def _is_ordinary(self) -> np.ndarray:
        table = np.ones(self.size, bool)
        table[list(self.special)] = False
        return table

    @cached_property
    def _ordinary(self) -> np.ndarray:
        return np.flatnonzero(self._is_ordinary)

    def ordinary(self, ids: np.ndarray) -> np.ndarray:
        """Return which of `ids` are ordinary tokens, as booleans of the same shape."""
        return self._is_ordinary[ids]

    def require_mask(self) -> int:
        """Return the id of the mask token. Raises WrongInput if there is none."""
        if self.mask is None:
            raise WrongInput("tokenizer: it has no mask token, which masked objectives need; use one that danlu trains")
        return self.mask

    def require_sentinels(self, needed: int) -> np.ndarray:
        """Return the ids of the first sentinels, [needed] int64. Raises WrongInput if there are fewer."""
        if len(self.sentinels) < needed:
            raise WrongInput(
                f"tokenizer: it has {len(self.sentinels)} sentinels (<extra_id_0>, ...) and {needed} are needed; "
                "a run adds them to the tokenizers that it trains"
            )
        return np.array(self.sentinels[:needed], np.int64)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw n ordinary tokens uniformly, [n] int64."""
        return self._ordinary[rng.integers(len(self._ordinary), size=n)]
