"""Whether a training was long enough: by steps, epochs and the slope of the held-out loss."""

from __future__ import annotations

import json
import math

import pytest

from danlu.training.budget import Budget
from danlu.training.sufficiency import (
    EPOCHS,
    FALL,
    FINETUNING_STEPS,
    MARGIN,
    STEPS,
    TrainingLog,
    fall_per_doubling,
    finetuning_sufficiency,
    needed_budget,
    pretraining_sufficiency,
    read_log,
    readable_budget,
)


def log(fall: float | None) -> TrainingLog:
    return TrainingLog(fall, 0.5, 2.0)


def reasons(steps: int, epochs: float, fall: float | None, stopped: bool = False) -> list[str]:
    found = pretraining_sufficiency(steps, epochs, 400, log(fall), stopped)
    assert found["sufficient"] == (not found["reasons"])
    return found["reasons"]


def test_the_slope_is_that_of_the_last_doubling():
    points = [(step, 9.0 - 0.3 * math.log2(step)) for step in range(10, 101, 10)]
    assert fall_per_doubling(points) == pytest.approx(0.3)
    flat_at_the_end = [(1, 9.0), (2, 5.0), (50, 3.0), (75, 3.0), (100, 3.0)]
    assert fall_per_doubling(flat_at_the_end) == pytest.approx(0.0)
    assert fall_per_doubling([(1, 5.0), (2, 4.0)]) == pytest.approx(1.0)
    assert fall_per_doubling([(100, 3.0)]) is None
    assert fall_per_doubling([]) is None


@pytest.mark.parametrize(
    ("steps", "epochs", "fall", "expected"),
    [
        (5, 0.01, 0.3, ["steps", "loss"]),
        (STEPS - 1, 3.0, 0.5, ["steps"]),
        (STEPS, EPOCHS, 0.5, []),
        (STEPS, 0.9, FALL + 0.01, ["loss"]),
        (STEPS, 0.9, FALL, []),
        (STEPS, 0.9, -0.1, []),
        (STEPS, 0.9, None, []),
    ],
)
def test_a_pretraining_is_judged_by_steps_epochs_and_slope(steps, epochs, fall, expected):
    assert reasons(steps, epochs, fall) == expected


def test_a_training_that_stopped_early_was_long_enough():
    assert reasons(30, 0.5, 0.5, stopped=True) == []


def test_a_finetuning_is_judged_by_its_steps_and_the_pretraining():
    assert finetuning_sufficiency(FINETUNING_STEPS, 3.0, 7, True)["reasons"] == []
    assert finetuning_sufficiency(3, 3.0, 7, True)["reasons"] == ["steps"]
    assert finetuning_sufficiency(3, 3.0, 7, False)["reasons"] == ["steps", "pretraining"]


@pytest.mark.parametrize("epoch_steps", [3, 99, 100, 101, 5000])
def test_the_steps_that_are_called_enough_are_enough(epoch_steps):
    """With those steps, nothing is too short however steeply the loss falls."""
    needed = pretraining_sufficiency(5, 5 / epoch_steps, epoch_steps, log(9.0))["needed_steps"]
    assert pretraining_sufficiency(needed, needed / epoch_steps, epoch_steps, log(9.0))["sufficient"]


@pytest.mark.parametrize(("seconds", "validations"), [(10.0, 10), (120.0, 10), (3.0, 1)])
def test_the_budget_that_is_recommended_buys_the_needed_steps(seconds, validations):
    """As a plan converts it at the measured speed, which sets the time of validations aside."""
    step, validation, needed = 0.5, 2.0, 400
    overhead = validations * validation
    bought = max(1, math.ceil(max(seconds - overhead, seconds / 2) / step))
    budget = needed_budget(Budget(seconds, "seconds"), bought, needed, step, overhead)
    assert budget.unit == "seconds"
    assert (budget.amount / MARGIN - overhead) / step >= needed
    assert needed_budget(Budget(5, "steps"), 5, needed, step) == Budget(400, "steps")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "10s"), (41, "50s"), (60, "1min"), (111, "2min"), (701, "12min"), (1400, "25min"), (7300, "3h")],
)
def test_a_recommended_time_is_rounded_up(seconds, text):
    assert readable_budget(Budget(seconds, "seconds")) == text
    assert readable_budget(Budget(400, "steps")) == "400 steps"


def test_the_journal_gives_slope_and_times(tmp_path):
    """Steps take 0.5 s, validations and samples 2 s; records of another stage, damaged lines and what comes before the
    start are not read."""
    path, records, clock = tmp_path / "metrics.jsonl", [], 0.0
    for step in range(1, 9):
        clock += 0.5
        records.append({"stage": "s", "kind": "train", "step": step, "loss": 1.0, "seconds": clock})
        if step % 2 == 0:
            records.append(records[-1] | {"kind": "validation", "loss": 6 - math.log2(step), "seconds": clock + 1.5})
            clock += 2.0
            records.append(records[-1] | {"kind": "sample", "seconds": clock, "loss": None})
    earlier = json.dumps(records[0] | {"loss": 50.0, "seconds": 99.0}) + "\n"
    other = json.dumps({"stage": "other", "kind": "validation", "step": 8, "loss": 0.0, "seconds": 0.0}) + "\n"
    text = other + "".join(json.dumps(record) + "\n" for record in records) + "\xff{\n"
    path.write_bytes((earlier + text).encode("latin-1"))
    found = read_log(path, len(earlier), "s")
    assert found.fall == pytest.approx(1.0)
    assert found.seconds_per_step == pytest.approx(0.5)
    assert found.seconds_per_validation == pytest.approx(2.0)


def test_without_two_validations_the_training_loss_gives_the_slope(tmp_path):
    path = tmp_path / "metrics.jsonl"
    records = [
        {"stage": "s", "kind": "train", "step": step, "loss": 5 - 0.4 * math.log2(step), "seconds": step}
        for step in range(1, 9)
    ]
    records.append({"stage": "s", "kind": "validation", "step": 8, "loss": 4.0, "seconds": 9})
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert read_log(path, 0, "s").fall == pytest.approx(0.4)
