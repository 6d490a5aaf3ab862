"""The order of an epoch is a permutation that never changes and looks random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.tokens.order import order, order_block


@given(st.integers(), st.integers(0, 1000), st.integers(1, 3000))
def test_every_unit_occurs_exactly_once(seed, epoch, n):
    assert np.array_equal(np.sort(order_block(seed, epoch, np.arange(n), n)), np.arange(n))


@given(st.integers(), st.integers(0, 9), st.integers(1, (1 << 62) - 1), st.data())
def test_single_positions_equal_the_block(seed, epoch, n, data):
    positions = data.draw(st.lists(st.integers(0, n - 1), max_size=5))
    block = order_block(seed, epoch, np.array(positions, np.int64), n)
    assert block.tolist() == [order(seed, epoch, i, n) for i in positions]
    assert all(0 <= p < n for p in block)


def test_values_never_change():
    """A changed value would break the resuming of every saved run."""
    assert [order(1, 0, i, 1000) for i in range(6)] == [564, 55, 300, 107, 392, 56]


def test_epochs_and_seeds_are_uncorrelated():
    n = 20_000
    i = np.arange(n)
    runs = [order_block(seed, epoch, i, n) for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for k, a in enumerate(runs):
        assert abs(np.corrcoef(i, a)[0, 1]) < 0.03
        assert abs(np.corrcoef(a[:-1], a[1:])[0, 1]) < 0.03
        for b in runs[k + 1 :]:
            assert abs(np.corrcoef(a, b)[0, 1]) < 0.03


@pytest.mark.parametrize("i", [-1, 10])
def test_positions_out_of_range_are_refused(i):
    with pytest.raises(IndexError):
        order(0, 0, i, 10)
    with pytest.raises(IndexError):
        order_block(0, 0, np.array([i]), 10)
    with pytest.raises(ValueError, match="at least 1"):
        order(0, 0, 0, 0)
