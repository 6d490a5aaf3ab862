"""Text as words and their contexts: word counts, subsampling, random windows and noise words (Mikolov et al. 2013).

Shapes: n words of a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from danlu import durable
from danlu.objective import Units, UnitSource
from danlu.tokens.shards import TokenStore
from danlu.tokens.units import WindowUnits
from danlu.tokens.vocabulary import Vocabulary

CHUNK_TOKENS = 1 << 20


def training_counts(source: UnitSource) -> np.ndarray:
    """Return the number of occurrences of each token in the training split, as `count_tokens` does. Cached."""
    folder = source.folder / "counts"

    def fill(fresh: Path) -> None:
        np.save(fresh / "counts.npy", count_tokens(source.store("train"), source.vocabulary))

    if not folder.exists():
        durable.write_folder(folder, fill)
    return np.load(folder / "counts.npy")


def count_tokens(store: TokenStore, vocabulary: Vocabulary) -> np.ndarray:
    """Count the occurrences of each token in a split, [vocabulary] float64; special tokens count 0."""
    counts = np.zeros(vocabulary.size)
    for start in range(0, store.tokens, CHUNK_TOKENS):
        for piece in store.pieces(start, min(start + CHUNK_TOKENS, store.tokens)):
            counts += np.bincount(piece, minlength=vocabulary.size)
    counts[list(vocabulary.special)] = 0
    return counts


@dataclass(frozen=True)
class Words:
    """Sampling probabilities of words."""

    keep: np.ndarray  # [vocabulary], probability of being kept in subsampling
    noise: np.ndarray  # [vocabulary], cumulative probabilities of being drawn as noise

    @classmethod
    def of(cls, counts: np.ndarray, sample: float | None, power: float) -> Words:
        """Compute the probabilities from word counts.

        Args:
            counts: [vocabulary].
            sample: a word with share f of the text is kept with probability min(1, sqrt(sample / f)); None keeps all.
            power: noise words are drawn with probability proportional to count^power.
        """
        shares = counts / max(counts.sum(), 1)
        keep = np.ones(len(counts))
        if sample is not None:
            keep = np.minimum(1, np.sqrt(sample / np.maximum(shares, 1e-300)))
        weights = np.where(counts > 0, counts**power, 0)
        return cls(keep, np.cumsum(weights / weights.sum()))

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Draw the ids of noise words, an array of the given shape."""
        ids = np.searchsorted(self.noise, rng.random(shape) * self.noise[-1], "right")
        return np.minimum(ids, len(self.noise) - 1)


@dataclass(frozen=True)
class WordRow:
    """The words of one unit, without special tokens."""

    tokens: np.ndarray  # [n]
    document: np.ndarray  # [n], the index of the document of each word
    words: Words

    def subsample(self, rng: np.random.Generator) -> WordRow:
        """Drop words at random, with higher probability the more frequent they are."""
        kept = rng.random(len(self.tokens)) < self.words.keep[self.tokens]
        return WordRow(self.tokens[kept], self.document[kept], self.words)

    def context_sizes(self, rng: np.random.Generator, window: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the size of each word's context: the numbers of words to the left [n] and to the right [n].

        The size on either side is drawn from 1 to `window` and limited by the ends of the document.
        """
        n = len(self.tokens)
        index = np.arange(n)
        first = np.searchsorted(self.document, self.document, "left")
        last = np.searchsorted(self.document, self.document, "right") - 1
        size = rng.integers(1, window, n, endpoint=True)
        return np.minimum(size, index - first), np.minimum(size, last - index)


def offsets(window: int) -> np.ndarray:
    """Return the relative positions of context words, [2 window]: -window .. -1, 1 .. window."""
    return np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])


def context_words(tokens: np.ndarray, left: np.ndarray, right: np.ndarray, window: int) -> np.ndarray:
    """Return the context words of each word, [n, 2 window], in the order of `offsets`; -1 outside of the context.

    Args:
        tokens: the words [n].
        left: numbers of context words to the left [n].
        right: numbers of context words to the right [n].
        window: maximum distance of a context word.
    """
    offset = offsets(window)
    inside = (-offset <= left[:, None]) & (offset <= right[:, None])
    index = np.clip(np.arange(len(tokens))[:, None] + offset, 0, max(len(tokens) - 1, 0))
    return np.where(inside, tokens[index], -1)


@dataclass(frozen=True)
class WordRows(Sequence[WordRow]):
    """The windows of a split as rows of words."""

    windows: WindowUnits
    vocabulary: Vocabulary
    words: Words

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, i: int) -> WordRow:  # type: ignore[override]
        pieces = self.windows.pieces(i)
        tokens = np.concatenate(pieces)
        document = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
        text = self.vocabulary.ordinary(tokens)
        return WordRow(tokens[text], document[text], self.words)


def word_units(source: UnitSource, split: str, unit_tokens: int, sample: float | None, power: float) -> Units:
    """Return windows of `unit_tokens` tokens as units, with sampling probabilities from the training split."""
    counts = training_counts(source)
    words, store = Words.of(counts, sample, power), source.store(split)
    rows = WordRows(WindowUnits(store, unit_tokens), source.vocabulary, words)
    kept = float((counts * words.keep).sum() / max(source.store("train").tokens, 1))
    return Units(rows, max(1.0, kept * store.tokens / len(rows)))
