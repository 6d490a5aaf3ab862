import json
import math
import random
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.metrics.intervals import (
    Interval,
    bootstrap_interval,
    mean_interval,
    paired_difference,
    t_distribution,
    t_quantile,
)


@pytest.mark.parametrize(
    ("probability", "freedom", "expected"),
    [  # printed tables of Student's t
        (0.975, 1, 12.7062047362),
        (0.975, 2, 4.3026527297),
        (0.975, 3, 3.1824463053),
        (0.975, 4, 2.7764451052),
        (0.975, 9, 2.2621571628),
        (0.975, 30, 2.0422724563),
        (0.95, 4, 2.1318467863),
        (0.995, 4, 4.6040948714),
        (0.995, 1, 63.6567411629),
        (0.75, 1, 1.0),
        (0.5, 7, 0.0),
    ],
)
def test_t_quantiles_of_the_tables(probability, freedom, expected):
    assert t_quantile(probability, freedom) == pytest.approx(expected, abs=1e-9, rel=1e-9)


def test_many_degrees_of_freedom_are_nearly_normal():
    assert t_quantile(0.975, 100_000) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), abs=1e-4)


@given(st.floats(0.001, 0.999), st.integers(1, 60))
def test_quantile_inverts_the_distribution(probability, freedom):
    assert t_distribution(t_quantile(probability, freedom), freedom) == pytest.approx(probability, abs=1e-12)


def test_scipy_agrees():
    stats = pytest.importorskip("scipy.stats")
    for freedom in (1, 2, 5, 8, 33):
        for probability in (0.01, 0.4, 0.9, 0.9995):
            assert t_quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-9)


def test_mean_interval_by_hand():
    # mean 3, deviation sqrt(2.5), half width 2.7764 * sqrt(2.5 / 5)
    found = mean_interval([1, 2, 3, 4, 5])
    half = 2.7764451052 * math.sqrt(0.5)
    assert (found.mean, found.low, found.high) == pytest.approx((3, 3 - half, 3 + half))


def test_one_value_has_no_interval_and_json_says_null():
    assert mean_interval([0.7]) == Interval(0.7, None, None)
    assert json.loads(json.dumps(mean_interval([0.7]).json())) == {"mean": 0.7, "low": None, "high": None}
    assert bootstrap_interval([2.0], [4.0]) == Interval(0.5, None, None)


def test_pairing_cancels_what_the_seeds_share():
    a, b = [0.5, 0.7, 0.9], [0.4, 0.6, 0.8]
    found = paired_difference(a, b)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_covers_the_mean_as_often_as_it_says():
    rng = random.Random(5)
    found = [mean_interval([rng.gauss(2, 3) for _ in range(5)], 0.9) for _ in range(2000)]
    covered = sum(f.low < 2 < f.high for f in found if f.low is not None and f.high is not None)
    assert covered / 2000 == pytest.approx(0.9, abs=0.02)


def test_bootstrap_is_the_ratio_of_sums_and_repeats():
    size = np.linspace(5, 30, 40)
    bits = size * np.random.default_rng(2).uniform(2, 4, 40)
    found = bootstrap_interval(bits, size, seed=3)
    assert found.mean == pytest.approx(bits.sum() / size.sum())
    assert found == bootstrap_interval(bits, size, seed=3)
    assert found != bootstrap_interval(bits, size, seed=4)
    assert found.low is not None
    assert found.high is not None
    assert 2 <= found.low < found.mean < found.high <= 4


def test_bootstrap_agrees_with_the_t_interval_on_many_values():
    values = np.random.default_rng(1).normal(5, 2, 400)
    t, b = mean_interval(values), bootstrap_interval(values)
    assert (b.low, b.high) == pytest.approx((t.low, t.high), abs=0.03)


def test_equal_ratios_have_no_width():
    assert bootstrap_interval([2, 4, 6, 8, 2, 4], [1, 2, 3, 4, 1, 2]) == Interval(2.0, 2.0, 2.0)


def test_a_handful_of_documents_has_no_interval():
    """Two documents that both came out lower were called clearly lower; by chance that is every second time."""
    for n in range(1, 6):
        assert bootstrap_interval([-0.1] * n) == Interval(pytest.approx(-0.1), None, None)
    assert bootstrap_interval([-0.1] * 6).high is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_interval([]), "finite numbers"),
        (lambda: mean_interval([1, math.nan]), "finite numbers"),
        (lambda: mean_interval([1, 2], 95), "between 0 and 1, not 95"),
        (lambda: paired_difference([1, 2], [1]), "2 and 1 values"),
        (lambda: bootstrap_interval([1, 2], [1, 0]), "2 positive weights"),
        (lambda: bootstrap_interval([1, 2], [1]), "2 positive weights"),
        (lambda: t_quantile(1.0, 3), "no t quantile"),
    ],
)
def test_what_has_no_interval_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
