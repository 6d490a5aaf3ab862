"""Alignment and uniformity of vectors on the unit sphere (Wang & Isola 2020)."""

from __future__ import annotations

import numpy as np

from danlu.metrics.intervals import Interval

SHARPNESS = 2.0
"""The parameter t of the uniformity in the paper."""


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the squared distances of matching unit vectors, [n]; their mean is the alignment, at best 0."""
    return ((a - b) ** 2).sum(1)


def uniformity(vectors: np.ndarray, level: float = 0.95, seed: int = 0, resamples: int = 1000) -> Interval:
    """Return the log of the mean of exp(-2 |x - y|^2) over pairs of different unit vectors [n, width].

    It is 0 if all vectors are equal, and lower the more evenly they cover the sphere. The interval is a bootstrap over
    vectors; a vector that is sampled twice does not form a pair with itself.

    Raises:
        ValueError: for fewer than two vectors.
    """
    n = len(vectors)
    if n < 2:
        raise ValueError(f"uniformity needs at least two vectors, not {n}")
    x = vectors.astype(np.float64)
    kernel = np.exp(-SHARPNESS * np.maximum(2 - 2 * x @ x.T, 0))
    np.fill_diagonal(kernel, 0)

    def value(times: np.ndarray) -> np.ndarray:
        """Return the uniformity with each vector counted `times` times: [k, n] -> [k]."""
        pairs = times.sum(1) ** 2 - (times**2).sum(1)
        return np.log(np.einsum("kn,kn->k", times @ kernel, times) / np.maximum(pairs, 1))

    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, np.full(n, 1 / n), resamples).astype(np.float64)
    counts = counts[(counts > 0).sum(1) > 1]  # a resample of a single vector has no pair
    low, high = np.quantile(value(counts), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(value(np.ones((1, n)))[0]), float(low), float(high))
