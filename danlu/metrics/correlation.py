"""Rank correlation (Spearman 1904), with its interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from danlu.metrics.intervals import Interval


def mid_ranks(values: np.ndarray) -> np.ndarray:
    """[n] float: ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of the ranks; 0 where one side is all the same and says nothing."""
    x, y = mid_ranks(a), mid_ranks(b)
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.0


def spearman_interval(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """`spearman` of n pairs of numbers with the percentile bootstrap interval over pairs. ValueError for different
    lengths or fewer than three pairs."""
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(x) != len(y) or len(x) < 3:
        raise ValueError(f"a rank correlation needs three pairs of numbers or more, not {len(x)} and {len(y)} numbers")
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(0, len(x), len(x))
        drawn[i] = spearman(x[chosen], y[chosen])
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(spearman(x, y), float(low), float(high))
