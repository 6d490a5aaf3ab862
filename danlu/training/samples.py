"""Samples of the training data: unit n of a run with its random generator."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from danlu.objective import Sample
from danlu.tokens.order import order
from danlu.tokens.shards import TokenStore
from danlu.tokens.units import WindowUnits, draw_free
from danlu.tokens.vocabulary import Vocabulary


class Samples(ABC):
    """An infinite sequence of samples. An epoch has `units` samples; the order differs between epochs."""

    units: int
    """Units per epoch."""
    tokens_per_unit: float
    """Mean number of tokens per unit."""

    @abstractmethod
    def draw(self, n: int, progress: float) -> Sample:
        """Return sample n, a pure function of the seed and n; `progress` is the fraction of training that is done."""


class UnitSample(Sample):
    """One unit of the data, with a random generator seeded by (seed, n)."""

    def __init__(
        self,
        seed: int,
        n: int,
        progress: float,
        vocabulary: Vocabulary,
        unit: Callable[[int], Any],
        boundaries: Callable[[int], list[np.ndarray]] | None = None,
        another: Callable[[UnitSample], UnitSample] | None = None,
    ):
        self.progress, self.vocabulary = progress, vocabulary
        self.rng = np.random.default_rng((seed, n))
        self._unit, self._boundaries, self._another = unit, boundaries, another

    def with_unit(
        self, unit: Callable[[int], Any], boundaries: Callable[[int], list[np.ndarray]] | None = None
    ) -> UnitSample:
        """Return a sample of another unit that shares the random generator."""
        other = copy.copy(self)
        other._unit, other._boundaries = unit, boundaries
        return other

    def another(self) -> UnitSample:
        if self._another is None:
            raise ValueError("these units do not support drawing another one")
        return self._another(self)

    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        return self._unit(overlap)

    def boundaries(self, overlap: int = 0) -> list[np.ndarray]:
        if self._boundaries is None:
            raise ValueError("these units were stored without word and sentence boundaries")
        return self._boundaries(overlap)

    def row(self) -> Any:
        return self._unit(0)


def unit_index(seed: int, n: int, units: int, shuffled: bool) -> int:
    """Return the index of the unit that is sample n of a run."""
    epoch, i = divmod(n, units)
    return order(seed, epoch, i, units) if shuffled else i


class WindowSamples(Samples):
    """Windows of `length` tokens of a split.

    If an example consists of several windows, an epoch has correspondingly fewer units, so that it still has about as
    many positions as the split. The first windows of its units are drawn anew in every epoch if the order is shuffled;
    otherwise they are evenly spaced.

    Args:
        store: the tokens of the split.
        length: tokens per window.
        vocabulary: the vocabulary.
        seed: seed of order and samples.
        shuffled: whether the order is random.
        windows: mean number of windows per example (`Objective.units_per_example`).
    """

    def __init__(
        self,
        store: TokenStore,
        length: int,
        vocabulary: Vocabulary,
        seed: int,
        shuffled: bool = True,
        windows: float = 1,
    ):
        self.windows = WindowUnits(store, length)
        self.vocabulary, self.seed, self.shuffled = vocabulary, seed, shuffled
        windows_per_unit = max(windows, 1.0)
        self.units = max(1, round(len(self.windows) / windows_per_unit))
        self.tokens_per_unit = windows_per_unit * store.tokens / len(self.windows)

    def first_window(self, n: int) -> int:
        """Return the index of the first window of unit n."""
        epoch, i = divmod(n, self.units)
        if self.shuffled:
            return order(self.seed, epoch, i, len(self.windows))
        return i * len(self.windows) // self.units

    def draw(self, n: int, progress: float) -> Sample:
        i = self.first_window(n)
        taken = [i]

        def another(sample: UnitSample) -> UnitSample:
            taken.append(self.windows.draw_apart(taken, sample.rng))
            return sample.with_unit(*self._readers(taken[-1]))

        return UnitSample(self.seed, n, progress, self.vocabulary, *self._readers(i), another)

    def _readers(self, i: int) -> tuple[Callable[[int], list[np.ndarray]], Callable[[int], list[np.ndarray]]]:
        return lambda overlap: self.windows.pieces(i, overlap), lambda overlap: self.windows.bounds(i, overlap)


class RowSamples(Samples):
    """Encoded rows of a table."""

    def __init__(
        self, rows: Sequence[Any], mean_tokens: float, vocabulary: Vocabulary, seed: int, shuffled: bool = True
    ):
        self.rows, self.units, self.tokens_per_unit = rows, len(rows), mean_tokens
        self.vocabulary, self.seed, self.shuffled = vocabulary, seed, shuffled

    def draw(self, n: int, progress: float) -> Sample:
        taken = [unit_index(self.seed, n, self.units, self.shuffled)]

        def another(sample: UnitSample) -> UnitSample:
            taken.append(draw_free([(i, i + 1) for i in taken], self.units, sample.rng))
            return sample.with_unit(lambda _, i=taken[-1]: self.rows[i])

        return UnitSample(self.seed, n, progress, self.vocabulary, lambda _: self.rows[taken[0]], another=another)
