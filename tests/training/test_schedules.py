"""Learning-rate schedules: pure functions of the share of training that is done, between 0 and 1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.registry import schedules
from danlu.training.schedules import Cosine, Linear, WarmupStableDecay

done = st.floats(0, 1)
made = st.builds(
    lambda name, warm_up, floor: schedules.validate({"name": name, "warm_up": warm_up, "floor": floor}),
    st.sampled_from(list(schedules)),
    st.floats(0, 0.9),
    st.floats(0, 1),
)


@given(made, done)
def test_factors_are_between_0_and_1_and_reproducible(schedule, share):
    assert -1e-12 <= schedule.at(share) <= 1 + 1e-12
    assert schedule.at(share) == schedule.at(share)


@given(made)
def test_training_ends_at_the_floor(schedule):
    assert schedule.at(1.0) == pytest.approx(schedule.floor, abs=1e-9)


@given(made, done, done)
def test_factors_never_rise_after_the_warm_up(schedule, a, b):
    early, late = sorted((max(a, schedule.warm_up), max(b, schedule.warm_up)))
    assert schedule.at(late) <= schedule.at(early) + 1e-9


@pytest.mark.parametrize("name", list(schedules))
def test_the_warm_up_is_linear_from_zero(name):
    schedule = schedules.validate({"name": name, "warm_up": 0.1})
    assert schedule.at(0.0) == 0
    assert schedule.at(0.05) == pytest.approx(schedule.at(0.1) / 2, rel=0.02)
    assert schedule.at(0.1) == pytest.approx(1.0, rel=0.02)


def test_values_of_each_schedule():
    assert Linear(warm_up=0).at(0.25) == pytest.approx(0.75)
    assert Cosine(warm_up=0).at(0.5) == pytest.approx(0.5)
    assert WarmupStableDecay(warm_up=0.02, decay=0.4).at(0.59) == 1
    assert WarmupStableDecay(warm_up=0.02, decay=0.4).at(0.8) == pytest.approx(0.5)
