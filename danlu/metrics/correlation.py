"""Spearman's rank correlation (1904) with a confidence interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from danlu.metrics.intervals import Interval


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two lists [n]; 0 if one of them is constant."""
    from scipy.stats import rankdata  # imported here because scipy is slow to import

    x, y = rankdata(a), rankdata(b)
    x, y = x - x.mean(), y - y.mean()
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float((x * y).sum() / scale) if scale else 0.0


def spearman_interval(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, level: float = 0.95
) -> Interval:
    """Return Spearman's rank correlation of n pairs of numbers with a confidence interval.

    The interval is that of Bonett and Wright (2000) on Fisher's z scale. There is no interval for fewer than 10 pairs,
    a perfect correlation or a constant list.

    Raises:
        ValueError: for lists of different lengths or fewer than three pairs.
    """
    from scipy.special import ndtri  # imported here because scipy is slow to import

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if len(x) != len(y) or len(x) < 3:
        raise ValueError(f"a rank correlation needs three pairs of numbers or more, not {len(x)} and {len(y)} numbers")
    rho = spearman(x, y)
    if len(x) < 10 or abs(rho) >= 1 or len(np.unique(x)) == 1 or len(np.unique(y)) == 1:
        return Interval(rho, None, None)
    half = float(ndtri((1 + level) / 2)) * math.sqrt((1 + rho * rho / 2) / (len(x) - 3))
    return Interval(rho, math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half))
