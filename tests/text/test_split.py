"""A document's split depends on its text and a salt; no split is empty."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danlu.text.split import SPLITS, cuts_by_order, cuts_by_share, fraction


@given(st.text(max_size=50), st.text(max_size=10))
def test_fraction_is_deterministic_and_in_the_unit_interval(text, salt):
    assert 0 <= fraction(text, salt) < 1
    assert fraction(text, salt) == fraction(text, salt)


def test_the_salt_changes_fractions_and_values_never_change():
    assert fraction("丹炉") != fraction("丹炉", "other")
    assert fraction("丹炉") == 0.0965245288254365


def test_split_shares_are_as_configured():
    where = cuts_by_share(0.1, 0.2)
    found = [where.split(fraction(f"document {i}")) for i in range(20_000)]
    assert abs(found.count("validation") / 20_000 - 0.1) < 0.01
    assert abs(found.count("test") / 20_000 - 0.2) < 0.01


@given(st.sets(st.text(), min_size=3, max_size=60), st.floats(0.001, 0.49), st.floats(0.001, 0.49))
def test_cuts_by_order_leave_no_split_empty(texts, validation, test):
    where = cuts_by_order([fraction(t) for t in texts], validation, test)
    assert {where.split(fraction(t)) for t in texts} == set(SPLITS)
