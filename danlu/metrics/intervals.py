"""Confidence intervals over seeds (Student's t) and over documents or other items (jackknife).

Shapes: n seeds or items.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_ITEMS = 6
"""Minimum number of items for an interval over items; fewer do not allow an estimate of the variance."""


@dataclass(frozen=True)
class Interval:
    """A mean and its confidence bounds; the bounds are None if the variance cannot be estimated."""

    mean: float
    low: float | None
    high: float | None

    def json(self) -> dict[str, float | None]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


def _check_values(values: Sequence[float] | np.ndarray, level: float) -> np.ndarray:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"an interval needs a list of finite numbers, not {values!r}")
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval is between 0 and 1, not {level}")
    return numbers


def mean_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """Return the mean over seeds [n] with Student's t interval.

    The interval covers what varies between seeds (the sample of labels, order, initial weights), not the choice of test
    rows. A single value and values that are all equal have no interval, since their variance is unknown, not zero.
    """
    from scipy.special import stdtrit  # imported here because scipy is slow to import

    numbers = _check_values(values, level)
    mean, n = float(numbers.mean()), len(numbers)
    if n == 1 or (numbers == numbers[0]).all():
        return Interval(mean, None, None)
    half = float(stdtrit(n - 1, (1 + level) / 2)) * float(numbers.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_difference(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, level: float = 0.95
) -> Interval:
    """Return the mean of a - b over the same seeds [n] with Student's t interval.

    Effects of a seed on both values cancel.

    Raises:
        ValueError: if the lengths differ.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values cannot be paired")
    return mean_interval(np.asarray(a, np.float64) - np.asarray(b, np.float64), level)


def weighted_interval(
    values: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (-math.inf, math.inf),
) -> Interval:
    """Return sum(values) / sum(weights) over independent items [n] with a jackknife interval.

    For example, items are documents, values bits and weights bytes; the ratio is then bits per byte. For the difference
    of two models on the same documents, pass the differences of their values. Without weights the ratio is the mean.

    The variance is that of the delete-one jackknife (Quenouille 1956; Tukey 1958). The quantile is Student's t with
    (sum w)^2 / sum w^2 - 1 degrees of freedom, because a few large items can have most of the weight
    (`tests/metrics/test_intervals.py` measures the coverage). For values that are all 0 or 1, without weights, the
    interval is Wilson's (1927), whose width is not zero for shares of 0 and 1. There is no interval for fewer than
    `MIN_ITEMS` items or if all ratios are equal.

    Args:
        values: values of the items [n].
        weights: weights of the items [n]; None: 1 each.
        level: confidence level.
        bounds: minimum and maximum possible ratio, to which the interval is clipped.

    Raises:
        ValueError: for weights that are not positive.
    """
    from scipy.special import stdtrit  # imported here because scipy is slow to import

    numbers = _check_values(values, level)
    n = len(numbers)
    sizes = np.ones(n) if weights is None else _check_values(weights, level)
    if len(sizes) != n or (sizes <= 0).any():
        raise ValueError(f"{n} values need {n} positive weights")
    total = sizes.sum()
    ratio = float(numbers.sum() / total)
    if n < MIN_ITEMS:
        return Interval(ratio, None, None)
    if weights is None and np.isin(numbers, (0, 1)).all():
        return _wilson(ratio, n, level)
    residuals = numbers - ratio * sizes
    if np.abs(residuals).max() <= 1e-12 * np.abs(numbers).max(initial=0.0):
        return Interval(ratio, None, None)
    variance = (n - 1) / n * float(np.square(residuals / (total - sizes)).sum())
    freedom = max(1.0, float(total**2 / np.square(sizes).sum()) - 1)
    half = float(stdtrit(freedom, (1 + level) / 2)) * math.sqrt(variance)
    return Interval(ratio, max(bounds[0], ratio - half), min(bounds[1], ratio + half))


def _wilson(share: float, n: int, level: float) -> Interval:
    """Return the score interval of a share of n items (Wilson 1927; Brown, Cai and DasGupta 2001)."""
    from scipy.special import ndtri  # imported here because scipy is slow to import

    z = float(ndtri((1 + level) / 2))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))
