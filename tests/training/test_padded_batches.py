"""Batches padded to a capacity: when, to what size, and that training is the same with them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_job import MACHINE, OBJECTIVE, job, network, settings
from toy_language import ToySamples

from danlu.architectures.transformer.orders import case_of
from danlu.objectives.causal import Causal
from danlu.training.journal import read_journal
from danlu.training.loop import train
from danlu.training.plan import Plan, capacity_of, make_plan
from danlu.training.precision import Machine
from danlu.training.step import micro_batches

pass

GPU = Machine("cuda", "bfloat16", 1)


@given(st.integers(0, 40), st.integers(0, 6), st.integers(1, 50), st.sampled_from([Causal(), OBJECTIVE]))
def test_streams_have_whole_capacities_and_keep_order_and_targets(first, units, capacity, objective):
    plain = micro_batches(objective, ToySamples(), first, max(units, 1), 6, 0.0)
    full = micro_batches(objective, ToySamples(), first, max(units, 1), 6, 0.0, capacity)
    for a, b in zip(plain, full, strict=True):
        assert objective.count_targets(a) == objective.count_targets(b)
        short, long = a["text"], b["text"]
        n = len(short.key)
        assert len(long.key) == -(-n // capacity) * capacity
        assert long.lengths[: len(short)] == short.lengths
        for mine, theirs in ((long.key, short.key), (long.query, short.query)):
            assert torch.equal(mine[:n], theirs)
        for mine, theirs in ((long.inputs, short.inputs), (long.labels, short.labels)):
            assert all(torch.equal(mine[k][:n], v) for k, v in theirs.items())
        kind = [case_of(s, (None,), 64, torch.float32).order for s in (short, long)]
        assert kind[0] == kind[1]


def test_training_with_a_capacity_equals_training_without(tmp_path):
    """Up to rounding, since sums are over other shapes."""
    records = []
    for capacity in (None, 64):
        work = job(tmp_path / str(capacity), 6)
        work.plan = dataclasses.replace(work.plan, capacity=capacity)
        train(work)
        kept = [r for r in read_journal(tmp_path / str(capacity) / "metrics.jsonl") if r["kind"] == "train"]
        records.append([(r["tokens"], pytest.approx(r["loss"], rel=1e-4)) for r in kept])
    assert [t for t, _ in records[0]] == [t for t, _ in records[1]]
    assert [loss.expected for _, loss in records[0]] == [loss for _, loss in records[1]]


@pytest.mark.parametrize(
    ("given", "machine", "expected"),
    [
        ({}, MACHINE, None),
        ({"compile": True}, MACHINE, None),
        ({}, GPU, None),
        ({"compile": True, "micro_batch_tokens": 8192, "batch_tokens": 8192}, GPU, 1024),
        ({"compile": True, "micro_batch_tokens": 40, "batch_tokens": 8192}, GPU, 128),
        ({"capacity": 96}, MACHINE, 96),
        ({"capacity": 96, "compile": True}, GPU, 96),
    ],
)
def test_compiled_steps_on_a_gpu_have_a_default_capacity(given, machine, expected):
    assert capacity_of(settings(**given), ToySamples(), machine) == expected


def test_the_plan_stores_the_capacity_and_older_plans_have_none():
    plan = make_plan(settings(budget="3 steps", capacity=32), network(), OBJECTIVE, ToySamples(), MACHINE, None)
    assert plan.capacity == 32
    assert Plan.of(plan.facts()) == plan
    assert Plan.of({k: v for k, v in plan.facts().items() if k != "capacity"}).capacity is None
