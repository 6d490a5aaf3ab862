"""A language that a model of a few thousand numbers learns in a second: each token is followed by itself plus 3."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from danlu.tokens.vocabulary import Vocabulary
from danlu.training.draws import OneDraw, place
from danlu.waist import Draw

ORDINARY = 8
VOCABULARY = Vocabulary(size=12, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))
STEP = 3
WORDS = np.array([1, 1, 1, 0], np.uint8)
"""Two words of one token, then one of two."""


def sentence(first: int, length: int) -> np.ndarray:
    """[length] token ids, the first of them ordinary token number `first`."""
    return len(VOCABULARY.special) + (first + STEP * np.arange(length)) % ORDINARY


@dataclass(frozen=True)
class ToyDraws:
    """Units of one to three sentences of 1 to 11 tokens; every third unit begins with the beginning-of-text token."""

    seed: int = 0
    units: int = 64
    vocabulary: Vocabulary = VOCABULARY

    tokens_per_unit = 10.0

    def pieces(self, unit: int, overlap: int) -> list[np.ndarray]:
        rng = np.random.default_rng((77, unit))
        lengths = rng.integers(1, 12, rng.integers(1, 4))
        found = [sentence(int(rng.integers(ORDINARY)), int(length) + overlap) for length in lengths]
        if unit % 3 == 0:
            found[0] = np.concatenate([[self.vocabulary.bos], found[0]])
        return found

    def draw(self, n: int, progress: float = 0.0) -> Draw:
        unit = place(self.seed, n, self.units, shuffled=True)
        return OneDraw(
            self.seed,
            n,
            progress,
            self.vocabulary,
            lambda overlap: self.pieces(unit, overlap),
            lambda overlap: [WORDS[np.arange(len(piece)) % 4] for piece in self.pieces(unit, overlap)],
        )
