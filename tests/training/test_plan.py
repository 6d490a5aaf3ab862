"""The plan of a training: determined once, from the budget."""

from __future__ import annotations

import json

import pytest
from toy_job import MACHINE, OBJECTIVE, network, settings
from toy_language import ToySamples

from danlu.training import plan as plan_module
from danlu.training.plan import Plan, make_plan


def planned(monkeypatch=None, seconds=(0.5, 2.0), **given):
    if monkeypatch:
        monkeypatch.setattr(plan_module, "time_steps", lambda *_: seconds)
    return make_plan(settings(**given), network(), OBJECTIVE, ToySamples(), MACHINE, None)


def test_units_follow_from_tokens():
    plan = planned(budget="7 steps", batch_tokens=120, micro_batch_tokens=45)
    assert (plan.steps, plan.step_units, plan.micro_units) == (7, 12, 4)


def test_a_step_has_at_least_one_unit_and_micro_batches_fit_in_it():
    plan = planned(budget="1 epochs", batch_tokens=1, micro_batch_tokens=1000)
    assert (plan.steps, plan.step_units, plan.micro_units) == (64, 1, 1)


@pytest.mark.parametrize(("validations", "every"), [(1, 20), (3, 7), (20, 1), (500, 1)])
def test_validations_are_spread_evenly_with_checkpoints(validations, every):
    plan = planned(budget="20 steps", validations=validations)
    assert plan.validate_every == plan.save_every == every


def test_saving_can_be_more_frequent():
    assert planned(budget="20 steps", save_every=3).save_every == 3


def test_a_time_budget_excludes_the_time_of_validations(monkeypatch):
    assert planned(monkeypatch, budget="60 seconds", validations=10).steps == (60 - 20) / 0.5
    slow_validation = planned(monkeypatch, seconds=(0.5, 100.0), budget="60 seconds", validations=10)
    assert slow_validation.steps == 30 / 0.5


def test_step_time_is_the_mean_of_alternating_steps_without_outliers(monkeypatch):
    """Regression: the fastest quarter was used, so an LSTM whose steps took 0.12 or 0.47 s ran 16 minutes instead of
    8."""
    clock, measured = [0.0], []

    def work(model, objective, batches, machine, step):
        measured.append(batches)
        busy = 5.0 if len(measured) % 5 == 0 else 0.0
        clock[0] += (0.1 if batches % 2 else 0.5) + busy

    monkeypatch.setattr(plan_module.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(plan_module, "micro_batches", lambda objective, samples, first, units, *_: first // units)
    monkeypatch.setattr(plan_module, "accumulate", work)
    plan = make_plan(settings(budget="1000 seconds"), network(), OBJECTIVE, ToySamples(), MACHINE, None)
    assert plan.steps == pytest.approx(1000 / 0.3, rel=0.1)


def test_measuring_time_does_not_change_the_model():
    model = network()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    plan = make_plan(settings(budget="1 seconds"), model, OBJECTIVE, ToySamples(), MACHINE, None)
    assert plan.steps > 1
    assert all((before[k] == v).all() for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


def test_a_plan_round_trips_through_json():
    plan = planned(budget="7 steps")
    assert Plan.of(json.loads(json.dumps(plan.facts()))) == plan


def test_a_time_budget_buys_at_least_the_least_number_of_steps(monkeypatch):
    """Other budgets are exact; the plan keeps how many steps the time would have bought."""
    short = planned(monkeypatch, seconds=(4.0, 0.0), budget="10 seconds", min_steps=20)
    assert (short.steps, short.bought_steps, short.raised_from, short.seconds_per_step) == (20, 3, 3, 4.0)
    enough = planned(monkeypatch, seconds=(4.0, 0.0), budget="80 seconds", min_steps=20)
    assert (enough.steps, enough.bought_steps, enough.raised_from) == (20, 20, None)
    for budget in ("3 steps", "10 tokens", "0.01 epochs"):
        exact = planned(budget=budget, min_steps=20)
        assert exact.steps < 20
        assert (exact.raised_from, exact.seconds_per_step) == (None, None)


def test_a_plan_without_the_newer_keys_is_read():
    facts = planned(budget="7 steps").facts()
    plan = Plan.of({k: v for k, v in facts.items() if k not in ("seconds_per_step", "raised_from")})
    assert plan.bought_steps == 7
    assert plan.epoch_steps(15) == -(-15 // plan.step_units)
    assert plan.epochs(14) == 7 * plan.step_units / 14
