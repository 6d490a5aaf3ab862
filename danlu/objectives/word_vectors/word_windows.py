"""Text as words and their neighbours: counts of the training text, thinned frequent words, windows of random reach,
noise words (Mikolov et al. 2013)."""

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
    """[vocabulary] float64: how often each token of text stands in the training split, 0 for special ones. Counted
    once."""
    folder = source.folder / "counts"

    def fill(fresh: Path) -> None:
        np.save(fresh / "counts.npy", counted(source.store("train"), source.vocabulary))

    if not folder.exists():
        durable.write_folder(folder, fill)
    return np.load(folder / "counts.npy")


def counted(store: TokenStore, vocabulary: Vocabulary) -> np.ndarray:
    """[vocabulary] float64 of one split."""
    counts = np.zeros(vocabulary.size)
    for start in range(0, store.tokens, CHUNK_TOKENS):
        for piece in store.pieces(start, min(start + CHUNK_TOKENS, store.tokens)):
            counts += np.bincount(piece, minlength=vocabulary.size)
    counts[list(vocabulary.special)] = 0
    return counts


@dataclass(frozen=True)
class Words:
    """What is known of the words: keep [vocabulary], the share of each that is not thinned out; noise [vocabulary], the
    sums of the chances of being drawn as noise, from the first word on."""

    keep: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, sample: float | None, power: float) -> Words:
        """A word with share f of the text is kept with chance sqrt(sample / f), at most 1 (None: all are kept); noise
        is drawn by count to the `power`."""
        shares = counts / max(counts.sum(), 1)
        keep = np.ones(len(counts))
        if sample is not None:
            keep = np.minimum(1, np.sqrt(sample / np.maximum(shares, 1e-300)))
        weights = np.where(counts > 0, counts**power, 0)
        return cls(keep, np.cumsum(weights / weights.sum()))

    def draw_noise(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Ids of that shape."""
        found = np.searchsorted(self.noise, rng.random(shape) * self.noise[-1], "right")
        return np.minimum(found, len(self.noise) - 1)


@dataclass(frozen=True)
class WordRow:
    """The words of one unit, special tokens left out: tokens [n], and document [n], a number for each document."""

    tokens: np.ndarray
    document: np.ndarray
    words: Words

    def thinned(self, rng: np.random.Generator) -> WordRow:
        kept = rng.random(len(self.tokens)) < self.words.keep[self.tokens]
        return WordRow(self.tokens[kept], self.document[kept], self.words)

    def reaches(self, rng: np.random.Generator, window: int) -> tuple[np.ndarray, np.ndarray]:
        """How many words to the left and to the right [n] are the context of each: at most a number drawn from
        1 .. window, all of its own document."""
        n = len(self.tokens)
        place = np.arange(n)
        first = np.searchsorted(self.document, self.document, "left")
        last = np.searchsorted(self.document, self.document, "right") - 1
        reach = rng.integers(1, window, n, endpoint=True)
        return np.minimum(reach, place - first), np.minimum(reach, last - place)


def offsets(window: int) -> np.ndarray:
    """[2 window]: -window .. -1, 1 .. window."""
    return np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])


def contexts(tokens: np.ndarray, left: np.ndarray, right: np.ndarray, window: int) -> np.ndarray:
    """[n, 2 window]: the word at each of `offsets` where it is within reach, -1 elsewhere."""
    at = offsets(window)
    inside = (-at <= left[:, None]) & (at <= right[:, None])
    place = np.clip(np.arange(len(tokens))[:, None] + at, 0, max(len(tokens) - 1, 0))
    return np.where(inside, tokens[place], -1)


@dataclass(frozen=True)
class WordRows(Sequence[WordRow]):
    """The windows of a split as words."""

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
    """Windows of so many tokens; what is known of the words is always from the training split."""
    counts = training_counts(source)
    words, store = Words.of(counts, sample, power), source.store(split)
    rows = WordRows(WindowUnits(store, unit_tokens), source.vocabulary, words)
    kept = float((counts * words.keep).sum() / max(source.store("train").tokens, 1))
    return Units(rows, max(1.0, kept * store.tokens / len(rows)))
