"""Units as an objective draws them: unit n of a run, with its own random numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from danlu.objective import Sample
from danlu.tokens.order import order
from danlu.tokens.shards import TokenStore
from danlu.tokens.units import WindowUnits, free_number
from danlu.tokens.vocabulary import Vocabulary


class Draws(Protocol):
    """Unit n for every n >= 0; an epoch is `units` of them, each in an order of its own."""

    @property
    def units(self) -> int: ...
    @property
    def tokens_per_unit(self) -> float: ...
    def draw(self, n: int, progress: float) -> Sample: ...


class UnitSample(Sample):
    """One unit; everything is a pure function of (seed, n)."""

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
        """A further unit in the same draw."""
        other = copy.copy(self)
        other._unit, other._boundaries = unit, boundaries
        return other

    def another(self) -> UnitSample:
        if self._another is None:
            raise ValueError("these units have no others beside them")
        return self._another(self)

    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        return self._unit(overlap)

    def boundaries(self, overlap: int = 0) -> list[np.ndarray]:
        if self._boundaries is None:
            raise ValueError("these units were stored without the bounds of words and sentences")
        return self._boundaries(overlap)

    def row(self) -> Any:
        return self._unit(0)


def place(seed: int, n: int, units: int, shuffled: bool) -> int:
    """Which unit of the data the n-th unit of a run is."""
    epoch, i = divmod(n, units)
    return order(seed, epoch, i, units) if shuffled else i


class WindowDraws:
    """Windows of `length` tokens of a split.

    windows: how many windows of positions an example has (`Objective.units_per_example`). An epoch has as many units as
    have the positions of the whole split, so it starts from that many fewer windows. Which ones is another choice in
    every epoch where the order is shuffled; otherwise they are evenly spread.
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
        self.vocabulary, self.seed, self.shuffled, self.each = vocabulary, seed, shuffled, max(windows, 1.0)

    @property
    def units(self) -> int:
        return max(1, round(len(self.windows) / self.each))

    @property
    def tokens_per_unit(self) -> float:
        return self.each * self.windows.store.tokens / len(self.windows)

    def first_window(self, n: int) -> int:
        """Which window unit n begins with."""
        epoch, i = divmod(n, self.units)
        if self.shuffled:
            return order(self.seed, epoch, i, len(self.windows))
        return i * len(self.windows) // self.units

    def draw(self, n: int, progress: float) -> Sample:
        i = self.first_window(n)
        taken = [i]

        def another(sample: UnitSample) -> UnitSample:
            taken.append(self.windows.apart(taken, sample.rng))
            return sample.with_unit(*self._reading(taken[-1]))

        return UnitSample(self.seed, n, progress, self.vocabulary, *self._reading(i), another)

    def _reading(self, i: int) -> tuple[Callable[[int], list[np.ndarray]], Callable[[int], list[np.ndarray]]]:
        return lambda overlap: self.windows.pieces(i, overlap), lambda overlap: self.windows.bounds(i, overlap)


class RowDraws:
    """Rows of a table, each already made of token ids and a target."""

    def __init__(
        self, rows: Sequence[Any], mean_tokens: float, vocabulary: Vocabulary, seed: int, shuffled: bool = True
    ):
        self.rows, self.tokens_per_unit, self.vocabulary = rows, mean_tokens, vocabulary
        self.seed, self.shuffled = seed, shuffled

    @property
    def units(self) -> int:
        return len(self.rows)

    def draw(self, n: int, progress: float) -> Sample:
        taken = [place(self.seed, n, self.units, self.shuffled)]

        def another(sample: UnitSample) -> UnitSample:
            taken.append(free_number([(i, i + 1) for i in taken], self.units, sample.rng))
            return sample.with_unit(lambda _, i=taken[-1]: self.rows[i])

        return UnitSample(self.seed, n, progress, self.vocabulary, lambda _: self.rows[taken[0]], another=another)
