"""Budgets: accepted forms, scaling of times, and the number of steps."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.training.budget import Budget, parse_budget

amounts = st.floats(1e-6, 1e15, allow_nan=False, allow_infinity=False)
budgets = st.builds(Budget, amounts, st.sampled_from(["seconds", "tokens", "epochs", "steps", "operations"]))


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5min", Budget(300, "seconds")),
        ("90s", Budget(90, "seconds")),
        ("1.5 hours", Budget(5400, "seconds")),
        (" 2 M tokens ", Budget(2e6, "tokens")),
        ("250k tokens", Budget(250e3, "tokens")),
        ("1e9 tokens", Budget(1e9, "tokens")),
        ("1 epoch", Budget(1, "epochs")),
        (".5 epochs", Budget(0.5, "epochs")),
        ("400 steps", Budget(400, "steps")),
        ("20T flops", Budget(20e12, "operations")),
    ],
)
def test_accepted_budgets(text, budget):
    assert parse_budget(text) == budget


@pytest.mark.parametrize("text", ["", "5", "min", "5 parsecs", "-5min", "5min 3s", "five steps", 5, None, "1.2.3 s"])
def test_invalid_budgets_are_refused_with_examples(text):
    with pytest.raises(ValueError, match="is not a budget such as 5min, 90s, 2M tokens"):
        parse_budget(text)


@pytest.mark.parametrize("text", ["0 steps", "0.0s", "1e999 steps"])
def test_zero_and_infinite_budgets_are_refused(text):
    with pytest.raises(ValueError, match="must be above 0"):
        parse_budget(text)


@given(budgets)
def test_budgets_round_trip_through_text(budget):
    assert parse_budget(str(budget)) == budget


@given(budgets, st.floats(1e-3, 1e3))
def test_only_time_is_scaled(budget, factor):
    scaled = budget.scaled(factor)
    assert scaled.unit == budget.unit
    assert scaled.amount == (budget.amount * factor if budget.unit == "seconds" else budget.amount)


sizes = st.integers(1, 10**6)


@given(budgets, sizes, sizes, st.floats(1, 1e5), st.floats(1e-4, 100))
def test_the_number_of_steps_is_minimal(budget, epoch, step, tokens, seconds):
    found = budget.steps(epoch, step, tokens, seconds, 1e9 * seconds)
    each = {
        "steps": 1,
        "tokens": step * tokens,
        "epochs": step / epoch,
        "seconds": seconds,
        "operations": 1e9 * seconds,
    }
    each = each[budget.unit]
    assert found >= 1
    assert found * each >= budget.amount * (1 - 1e-9) - 1e-8 * each
    assert found == 1 or (found - 1) * each < budget.amount * (1 + 1e-9)


@given(sizes, st.integers(1, 1000), st.integers(1, 50))
def test_whole_epochs_are_complete(epoch, step, epochs):
    assert Budget(epochs, "epochs").steps(epoch, step, 1.0) == math.ceil(epochs * epoch / step)
