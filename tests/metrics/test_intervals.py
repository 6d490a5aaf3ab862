import json
import math
import random

import numpy as np
import pytest
from scipy.stats import binomtest

from danlu.metrics.intervals import Interval, mean_interval, paired_difference, weighted_interval


def test_mean_interval_by_hand():
    # mean 3, deviation sqrt(2.5), half width 2.7764 * sqrt(2.5 / 5)
    found = mean_interval([1, 2, 3, 4, 5])
    half = 2.7764451052 * math.sqrt(0.5)
    assert (found.mean, found.low, found.high) == pytest.approx((3, 3 - half, 3 + half))


def test_one_value_has_no_interval_and_null_bounds_in_json():
    assert mean_interval([0.7]) == Interval(0.7, None, None)
    assert json.loads(json.dumps(mean_interval([0.7]).json())) == {"mean": 0.7, "low": None, "high": None}
    assert weighted_interval([2.0], [4.0]) == Interval(0.5, None, None)


def test_pairing_cancels_the_variation_of_seeds():
    a, b = [0.5, 0.7, 0.9], [0.4, 0.6, 0.79]
    found = paired_difference(a, b)
    assert found.mean == pytest.approx(0.31 / 3)
    assert found.high - found.low < 0.05


@pytest.mark.parametrize("values", [[0.9, 0.9, 0.9], [0.0] * 5])
def test_equal_values_have_no_interval_instead_of_an_empty_one(values):
    assert mean_interval(values) == Interval(pytest.approx(values[0]), None, None)
    assert paired_difference(values, values) == Interval(0.0, None, None)


def test_the_interval_of_the_mean_has_its_nominal_coverage():
    rng = random.Random(5)
    found = [mean_interval([rng.gauss(2, 3) for _ in range(5)], 0.9) for _ in range(2000)]
    covered = sum(f.low < 2 < f.high for f in found if f.low is not None and f.high is not None)
    assert covered / 2000 == pytest.approx(0.9, abs=0.02)


def test_the_weighted_mean_is_the_ratio_of_sums():
    size = np.linspace(5, 30, 40)
    bits = size * np.random.default_rng(2).uniform(2, 4, 40)
    found = weighted_interval(bits, size)
    assert found.mean == pytest.approx(bits.sum() / size.sum())
    assert 2 <= found.low < found.mean < found.high <= 4


def test_equal_weights_give_the_t_interval():
    """The jackknife of a mean is the classical standard error."""
    values = np.random.default_rng(1).normal(5, 2, 40)
    t, jackknife = mean_interval(values), weighted_interval(values)
    assert (jackknife.low, jackknife.high) == pytest.approx((t.low, t.high))


def test_equal_ratios_have_no_interval():
    assert weighted_interval([2, 4, 6, 8, 2, 4], [1, 2, 3, 4, 1, 2]) == Interval(2.0, None, None)


@pytest.mark.parametrize(("right", "n"), [(16, 20), (20, 20), (0, 30), (29, 30)])
def test_the_interval_of_a_proportion_is_wilson_s(right, n):
    found = weighted_interval([1.0] * right + [0.0] * (n - right))
    theirs = binomtest(right, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-8)


def coverage(n: int, draw, expected: float, runs: int = 2000) -> float:
    rng = np.random.default_rng(n)
    found = [weighted_interval(*draw(rng, n)) for _ in range(runs)]
    return sum(f.low <= expected <= f.high for f in found) / runs


def documents(rng, n):
    """Document sizes differ by orders of magnitude; bits per byte differ by document."""
    size = rng.lognormal(0, 1.2, n)
    return size * (2 + 0.3 * rng.standard_normal(n)), size


def one_large(rng, n):
    """One document has 43 % of the bytes, as in the built-in corpus."""
    size = np.concatenate([[43.0], np.full(n - 1, 57 / (n - 1))])
    return size * (2 + 0.3 * rng.standard_normal(n)), size


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 20, 50, 150])
@pytest.mark.parametrize("draw", [documents, one_large])
def test_documents_of_unequal_size_have_the_nominal_coverage(n, draw):
    assert 0.93 <= coverage(n, draw, 2.0) <= 0.995


@pytest.mark.slow
@pytest.mark.parametrize(("n", "share"), [(30, 0.95), (30, 0.5), (100, 0.98)])
def test_proportions_near_one_are_covered(n, share):
    assert coverage(n, lambda rng, n: ((rng.random(n) < share).astype(float),), share) >= 0.92


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 10, 20, 50, 150])
def test_two_equal_models_are_rarely_significantly_different(n):
    """The type I error of a paired difference, nominally 0.05; with the bootstrap it was 0.19 at six documents."""

    def difference(rng, n):
        size = rng.lognormal(0, 1.2, n)
        return size * 0.1 * rng.standard_normal(n), size

    assert 1 - coverage(n, difference, 0.0) <= 0.07


def test_fewer_than_six_documents_have_no_interval():
    """Two documents that are both lower would be called clearly lower; by chance that happens every second time."""
    for n in range(1, 6):
        assert weighted_interval(np.linspace(-0.2, -0.1, n)).low is None
    assert weighted_interval(np.linspace(-0.2, -0.1, 6)).high is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "finite numbers"),
        (lambda: mean_interval([1, math.nan]), "finite numbers"),
        (lambda: mean_interval([1, 2], 95), "between 0 and 1, not 95"),
        (lambda: paired_difference([1, 2], [1]), "2 and 1 values"),
        (lambda: weighted_interval([1, 2], [1, 0]), "2 positive weights"),
        (lambda: weighted_interval([1, 2], [1]), "2 positive weights"),
    ],
)
def test_invalid_values_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
