"""In the real loop, every pair learns its toy data, resumes bit for bit, and loads the weights it saved."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from dataclasses import replace
from math import log

import pytest
import torch
from pairs import MACHINE, PLAIN, QUICK, REPRESENTATIVES, marked, pair_of

from danlu.architectures import build_network
from danlu.batch import has_target
from danlu.errors import Stopped
from danlu.registry import optimizers
from danlu.training.checkpoint import Checkpoints
from danlu.training.journal import CLOCK_FIELDS, Journal
from danlu.training.loop import Job, train
from danlu.training.plan import Plan
from danlu.training.settings import TrainingSettings
from danlu.training.step import measure, micro_batches

SETTINGS = TrainingSettings.model_validate({"optimizer": {"name": "adamw", "learning_rate": 1e-2}, "keep": "last"})


def job_of(pair, folder, steps, step_units=12, save_every=1000, settings=SETTINGS, **more):
    folder.mkdir(exist_ok=True)
    model = build_network(pair.objective, pair.architecture, pair.vocabulary_size, seed=0)
    plan = Plan(steps, step_units, 6, 1000, save_every, MACHINE)
    journal = Journal(folder / "metrics.jsonl")
    return Job(
        "toy", model, pair.objective, pair.samples, settings, plan, Checkpoints(folder / "saved"), journal, **more
    )


def exemptions(objective):
    """The declared exemptions with their reasons; of those of this suite only `learns: TERM`."""
    found = objective.exempt
    assert set(found) < {f"learns: {term}" for term in objective.terms} or not found
    return found


def constant_guess_losses(objective, batches):
    """The loss of each term for the best constant guess: the entropy of its targets (their variance for numbers)."""
    found = {}
    for term in objective.terms:
        scope, _, name = term.rpartition(".")
        streams = [s for b in batches for key, s in b.streams.items() if key.rpartition(".")[0] == scope]
        values = torch.cat(
            [t[name][has_target(t[name])] for s in streams for t in (s.labels, s.sequence_labels) if name in t]
        )
        if values.is_floating_point():
            found[term] = float(values.var())
        else:
            shares = [n / len(values) for n in Counter(values.tolist()).values()]
            found[term] = -sum(p * log(p) for p in shares)
    return found


def held_out_batches(pair):
    return micro_batches(pair.objective, replaced_seed(pair.samples), 0, 60, 20, 1.0)


def not_learnt(pair, model, held_out):
    """The terms, except those exempt, whose held-out loss is not clearly below that of the best constant guess."""
    learned = measure(model, pair.objective, held_out, MACHINE).terms
    exempt = exemptions(pair.objective)
    guesses = constant_guess_losses(pair.objective, held_out).items()
    return [term for term, guess in guesses if f"learns: {term}" not in exempt and not learned[term] < 0.8 * guess]


STEPS = 240


@pytest.mark.slow
def test_learns_toy_data_better_than_a_constant_guess(representative, tmp_path):
    job = job_of(representative, tmp_path, steps=STEPS)
    train(job)
    job.journal.close()
    assert not_learnt(representative, job.model, held_out_batches(representative)) == []


LEARNT_LATE = ("objective:image_text", "transformer")
"""A pair that needs most of the steps."""


@pytest.mark.parametrize(
    "representative", marked(REPRESENTATIVES, [pair for pair in QUICK if pair != LEARNT_LATE]), indirect=True
)
def test_learns_toy_data_within_the_step_limit(representative, tmp_path):
    """The same training, stopped as soon as everything is learnt; most pairs need a tenth of the steps."""
    held_out, seen = held_out_batches(representative), []

    def learnt():
        seen.append(len(seen))
        return len(seen) % 20 == 0 and not_learnt(representative, job.model, held_out) == []

    job = job_of(representative, tmp_path, steps=STEPS, stop=learnt)
    with contextlib.suppress(Stopped):
        train(job)
    job.journal.close()
    assert not_learnt(representative, job.model, held_out) == []


def replaced_seed(samples):
    """Return the same data in another order with other random numbers."""
    if hasattr(samples, "__dataclass_fields__"):
        return replace(samples, seed=9)
    other = type(samples)(samples.rows, samples.tokens_per_unit, samples.vocabulary, seed=9)
    return other


def records(folder):
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in CLOCK_FIELDS} for line in lines]


def settings_with(optimizer):
    return TrainingSettings.model_validate({"optimizer": optimizer, "keep": "last", "seed": 3})


def trained(pair, folder, optimizer, stops=()):
    """Train for twelve steps, or until a stop."""
    seen = []
    job = job_of(
        pair, folder, 12, save_every=5, settings=settings_with(optimizer),
        watch=lambda record, plan: seen.append(record["step"]), stop=lambda: seen[-1] in stops,
    )  # fmt: skip
    try:
        return job, train(job)
    finally:
        job.journal.close()


def test_stopped_run_resumes_bit_for_bit(request, pair, tmp_path):
    """Bit for bit, with dropout: weights, optimizer state and journal."""
    stop_and_resume(request.node.callspec.params["pair"], "adamw", tmp_path)


@pytest.mark.parametrize(
    "representative", marked(REPRESENTATIVES, [pair for pair in QUICK if pair[0] in PLAIN]), indirect=True
)
@pytest.mark.parametrize("optimizer", [name for name in optimizers if name != "adamw"])
def test_stopped_run_resumes_bit_for_bit_with_every_optimizer(request, representative, optimizer, tmp_path):
    stop_and_resume(request.node.callspec.params["representative"], optimizer, tmp_path)


def stop_and_resume(names, optimizer, tmp_path):
    with_dropout = pair_of(*names, tmp_path)
    if "dropout" in type(with_dropout.architecture).model_fields:
        with_dropout = replace(with_dropout, architecture=with_dropout.architecture.model_copy(update={"dropout": 0.2}))
    ends = []
    for name, stops in (("straight", ()), ("stopped", (7,))):
        folder = tmp_path / name
        if stops:
            with pytest.raises(Stopped, match="step 7 of 12"):
                trained(with_dropout, folder, optimizer, stops)
        job, position = trained(with_dropout, folder, optimizer)
        saved = {p.relative_to(folder): p.read_bytes() for p in (folder / "saved").glob("*-00000012/*.safetensors")}
        ends.append((job.model.state_dict(), saved, records(folder), position.step, position.tokens))
    (a, saved_a, *rest_a), (b, saved_b, *rest_b) = ends
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert len(saved_a) == 2
    assert saved_a == saved_b
    assert rest_a == rest_b
    assert [r["step"] for r in rest_a[0]] == list(range(1, 13))


def test_weights_round_trip_through_disk(pair, tmp_path):
    job = job_of(pair, tmp_path, steps=3)
    position = train(job)
    job.journal.close()
    other = build_network(pair.objective, pair.architecture, pair.vocabulary_size, seed=1)
    job.checkpoints.load_weights(position.step, other)
    state, loaded = job.model.state_dict(), other.state_dict()
    assert state.keys() == loaded.keys()
    assert all(torch.equal(state[k], loaded[k]) for k in state)
    batches = micro_batches(pair.objective, pair.samples, 0, 6, 6, 1.0)
    one, two = (measure(m, pair.objective, batches, MACHINE).sums for m in (job.model, other))
    assert one == two
