"""Intervals: how far a number could be off, over seeds (Student's t) or over documents (bootstrap)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    """A mean and the bounds around it; `low` and `high` are None where too few values say how they spread."""

    mean: float
    low: float | None
    high: float | None

    def json(self) -> dict[str, float | None]:
        return {"mean": self.mean, "low": self.low, "high": self.high}


FEWEST = 6
"""Items from which there is a bootstrap interval. Of n differences without a trend all have one sign with probability
2 / 2^n, and then zero lies outside whatever is drawn: 1 in 2 for two items, 1 in 16 for five, 1 in 32 for six."""


def t_distribution(t: float, freedom: int) -> float:
    """P(T <= t) of Student's t with a whole number of degrees of freedom.

    The finite series of Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4: with
    theta = atan(t / sqrt(freedom)), exact up to rounding, no table and no continued fraction.
    """
    theta = math.atan(t / math.sqrt(freedom))
    cosine, sine = math.cos(theta), math.sin(theta)
    odd = freedom % 2
    # 1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ... (even), cos + 2/3 cos^3 + 2*4/(3*5) cos^5 + ... (odd)
    term, series = (cosine if odd else 1.0), 0.0
    for k in range(1 + odd, freedom, 2):
        series += term
        term *= cosine * cosine * k / (k + 1)
    inside = (theta + sine * series) * 2 / math.pi if odd else sine * series
    return (1 + inside) / 2


def t_quantile(probability: float, freedom: int) -> float:
    """The t with P(T <= t) = probability, by bisection. ValueError outside (0, 1) or without a degree of freedom."""
    if not 0 < probability < 1 or freedom < 1:
        raise ValueError(f"no t quantile of probability {probability} with {freedom} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while t_distribution(high, freedom) < probability:
        low, high = high, 2 * high
    while high - low > 4 * math.ulp(high):
        middle = (low + high) / 2
        if t_distribution(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _checked(values: Sequence[float] | np.ndarray, level: float) -> np.ndarray:
    numbers = np.asarray(values, np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise ValueError(f"an interval needs a list of finite numbers, not {values!r}")
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval is between 0 and 1, not {level}")
    return numbers


def mean_interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> Interval:
    """The mean over seeds [n] with Student's t interval; one value has no interval.

    It covers what varies between the seeds (draw of labels, order, initial weights), not the choice of test rows.
    """
    numbers = _checked(values, level)
    mean, n = float(numbers.mean()), len(numbers)
    if n == 1:
        return Interval(mean, None, None)
    half = t_quantile((1 + level) / 2, n - 1) * float(numbers.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half)


def paired_difference(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, level: float = 0.95
) -> Interval:
    """a - b over the same seeds [n]: what the seeds have in common cancels. ValueError when the lengths differ."""
    if len(a) != len(b):
        raise ValueError(f"{len(a)} and {len(b)} values cannot be paired")
    return mean_interval(np.asarray(a, np.float64) - np.asarray(b, np.float64), level)


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    weights: Sequence[float] | np.ndarray | None = None,
    level: float = 0.95,
    seed: int = 0,
    resamples: int = 2000,
) -> Interval:
    """sum(values) / sum(weights) over items [n], with the percentile bootstrap interval (Efron 1979).

    Items are what is independent, such as documents: values their bits, weights their bytes gives bits per byte. For
    the difference of two models on the same documents pass the differences of their values. Without weights it is
    the mean. The same arguments give the same interval; fewer than FEWEST items have none. ValueError for weights that
    are not positive.
    """
    numbers = _checked(values, level)
    n = len(numbers)
    scale = np.ones(n) if weights is None else _checked(weights, level)
    if len(scale) != n or (scale <= 0).any():
        raise ValueError(f"{n} values need {n} positive weights")
    ratio = float(numbers.sum() / scale.sum())
    if n < FEWEST:
        return Interval(ratio, None, None)
    rng = np.random.default_rng(seed)
    drawn = np.empty(resamples)
    for i in range(resamples):
        chosen = rng.integers(0, n, n)
        drawn[i] = numbers[chosen].sum() / scale[chosen].sum()
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(ratio, float(low), float(high))
