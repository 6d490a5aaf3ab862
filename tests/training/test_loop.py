"""The loop: what it records, how it stops and resumes, and what it does when losses are not finite."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from toy_job import MACHINE, OBJECTIVE, SMALL, job, settings
from toy_language import VOCABULARY, ToySamples

from danlu.architectures import build_network
from danlu.errors import DanluError, Stopped
from danlu.objectives.causal import Causal
from danlu.training.journal import CLOCK_FIELDS, read_journal
from danlu.training.loop import train
from danlu.training.samples import UnitSample
from danlu.training.step import Losses, measure, micro_batches
from danlu.training.training_options import apply_training_options

HELD_OUT = micro_batches(OBJECTIVE, ToySamples(seed=5), 0, 8, 8, 1.0)


def validate(model):
    return measure(model, OBJECTIVE, HELD_OUT, MACHINE)


def by_kind(folder, kind):
    return [r for r in read_journal(folder / "metrics.jsonl") if r["kind"] == kind]


def without_clock(folder):
    return [{k: v for k, v in r.items() if k not in CLOCK_FIELDS} for r in read_journal(folder / "metrics.jsonl")]


def test_every_step_and_validation_is_recorded(tmp_path):
    seen = []
    work = job(tmp_path, 6, validate=validate, watch=lambda record, plan: seen.append(record))
    position = train(work)
    assert position.step == 6
    assert [r["step"] for r in by_kind(tmp_path, "train")] == [1, 2, 3, 4, 5, 6]
    assert [r["step"] for r in by_kind(tmp_path, "validation")] == [2, 4, 6]
    assert seen == list(read_journal(tmp_path / "metrics.jsonl"))
    tokens = [r["tokens"] for r in by_kind(tmp_path, "train")]
    assert tokens == sorted(set(tokens))
    assert tokens[-1] == sum(
        len(s.key) for b in micro_batches(OBJECTIVE, ToySamples(), 0, 24, 24, 0.0) for s in b.streams.values()
    )
    json.dumps(seen)


class SamplesWithoutTargets:
    """Samples of a single token, which has no next one."""

    tokens_per_unit, units = 1.0, 100

    def draw(self, n, progress):
        return UnitSample(0, n, progress, VOCABULARY, lambda overlap: [np.array([VOCABULARY.bos])])


def test_a_step_without_targets_has_no_loss(tmp_path):
    seen = []
    causal = Causal()
    model = build_network(causal, SMALL, VOCABULARY.size, seed=0)
    watch = lambda record, plan: seen.append(record["loss"])  # noqa: E731
    train(job(tmp_path, 2, objective=causal, model=model, samples=SamplesWithoutTargets(), watch=watch))
    assert seen == [None, None]


def test_a_step_without_targets_and_with_frozen_embeddings_is_no_error(tmp_path):
    """Regression: no trained weight contributed to the loss, and the backward pass failed, also after every resume."""
    causal = Causal()
    model = build_network(causal, SMALL, VOCABULARY.size, seed=0)
    chosen = settings(freeze=["embeddings"])
    apply_training_options(model, chosen)
    train(job(tmp_path, 2, chosen, objective=causal, model=model, samples=SamplesWithoutTargets()))


def test_log_every_is_respected_and_the_last_step_recorded(tmp_path):
    train(job(tmp_path, 7, settings(log_every=3)))
    assert [r["step"] for r in by_kind(tmp_path, "train")] == [3, 6, 7]


def test_the_schedule_sets_the_learning_rate(tmp_path):
    train(job(tmp_path, 4, settings(optimizer={"name": "adamw", "learning_rate": 0.01}, schedule="linear")))
    rates = [r["learning_rate"] for r in by_kind(tmp_path, "train")]
    linear = settings(schedule="linear").schedule
    assert rates == [pytest.approx(0.01 * linear.at((i + 0.5) / 4)) for i in range(4)]


def test_the_best_weights_are_kept(tmp_path):
    """Losses are given rather than measured: the second validation is the best."""
    given = iter([3.0, 1.0, 2.0])
    kept = {}

    def judge(model):
        kept[len(kept)] = [p.detach().clone() for p in model.parameters()]
        return Losses({"masked": next(given)}, {"masked": 1}, {})

    work = job(tmp_path, 6, validate=judge)
    position = train(work)
    assert (position.best_step, position.best_loss) == (4, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(work.model.parameters(), kept[1], strict=True))
    assert work.checkpoints.steps() == [4, 6]


def test_the_last_weights_can_be_kept_instead(tmp_path):
    given = iter([1.0, 2.0, 3.0])
    judge = lambda model: Losses({"masked": next(given)}, {"masked": 1}, {})  # noqa: E731
    work = job(tmp_path, 6, settings(keep="last"), validate=judge)
    before = []
    work.watch = lambda record, plan: before.append([p.detach().clone() for p in work.model.parameters()])
    train(work)
    assert all(torch.equal(a, b) for a, b in zip(work.model.parameters(), before[-1], strict=True))


def test_a_finished_training_is_not_repeated(tmp_path):
    train(job(tmp_path, 4, validate=validate))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    again = job(tmp_path, 4, validate=lambda model: pytest.fail("validated again"))
    assert train(again).step == 4
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def stopped_after(folder, steps, stop_at, **more):
    seen = []
    work = job(
        folder, steps, validate=validate,
        watch=lambda record, plan: seen.append(record["step"]), stop=lambda: seen[-1] == stop_at, **more,
    )  # fmt: skip
    with pytest.raises(Stopped, match=f"stopped at step {stop_at} of {steps} of toy, saved; run it again to resume"):
        train(work)
    work.journal.close()
    return work


@pytest.mark.parametrize("stop_at", [1, 2, 5])
def test_stopped_training_resumes_bit_for_bit(tmp_path, stop_at):
    straight = job(tmp_path / "straight", 6, validate=validate)
    train(straight)
    assert stopped_after(tmp_path / "stopped", 6, stop_at).checkpoints.newest([]).step == stop_at
    again = job(tmp_path / "stopped", 6, validate=validate)
    train(again)
    assert all(torch.equal(a, b) for a, b in zip(straight.model.parameters(), again.model.parameters(), strict=True))
    assert without_clock(tmp_path / "straight") == without_clock(tmp_path / "stopped")
    assert straight.checkpoints.steps()[-1] == again.checkpoints.steps()[-1] == 6


def test_a_stop_request_at_the_last_step_lets_training_finish(tmp_path):
    work = job(tmp_path, 3, stop=lambda: len(by_kind(tmp_path, "train")) == 3)
    assert train(work).step == 3


def test_killed_training_resumes_bit_for_bit_from_the_last_checkpoint(tmp_path):
    """Records and weights beyond the newest checkpoint are dropped and computed again."""
    straight = job(tmp_path / "straight", 6, every=4, validate=validate)
    train(straight)

    class Killed(BaseException):
        pass

    def kill(record, plan):
        if record["step"] == 5:
            raise Killed

    work = job(tmp_path / "killed", 6, every=4, validate=validate, watch=kill)
    with pytest.raises(Killed):
        train(work)
    work.journal.close()
    assert len(by_kind(tmp_path / "killed", "train")) == 5
    again = job(tmp_path / "killed", 6, every=4, validate=validate)
    train(again)
    assert all(torch.equal(a, b) for a, b in zip(straight.model.parameters(), again.model.parameters(), strict=True))
    assert without_clock(tmp_path / "straight") == without_clock(tmp_path / "killed")


def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(tmp_path):
    train(job(tmp_path / "straight", 6, validate=validate))
    work = stopped_after(tmp_path / "damaged", 6, 5)
    (work.checkpoints.path(5) / "weights.safetensors").write_bytes(b"")
    given = []
    again = job(tmp_path / "damaged", 6, validate=validate, watch=lambda record, plan: given.append(record))
    train(again)
    assert [r["message"].split(":")[0] for r in given if r["kind"] == "warning"] == ["damaged checkpoint skipped"]
    assert without_clock(tmp_path / "straight") == without_clock(tmp_path / "damaged")


DIVERGING = {"name": "adamw", "learning_rate": 1e30}


@pytest.mark.parametrize("every", [1, 4])
@pytest.mark.parametrize("held_out", [None, validate])
def test_a_nan_loss_is_one_line_with_a_remedy(tmp_path, every, held_out):
    with pytest.raises(DanluError, match=r"step \d of toy; lower optimizer\.learning_rate \(1e\+30\)") as given:
        train(job(tmp_path, 6, settings(optimizer=DIVERGING, schedule={"name": "linear", "warm_up": 0}), every=every,
                  validate=held_out))  # fmt: skip
    assert "\n" not in str(given.value)
    assert given.value.code == 1
    assert all(json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())


def test_a_nan_held_out_loss_is_one_line_and_not_recorded(tmp_path):
    work = job(tmp_path, 6, validate=lambda model: Losses({"masked": float("nan")}, {"masked": 1}, {}))
    with pytest.raises(DanluError, match=r"held-out loss is nan at step 2 of toy; lower optimizer\.learning_rate"):
        train(work)
    assert by_kind(tmp_path, "validation") == []
    assert work.checkpoints.steps() == []


def test_a_nan_gradient_is_one_line_with_a_remedy(tmp_path):
    work = job(tmp_path, 6)
    work.model.embeddings["token"].weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(DanluError, match=r"gradient is nan at step 1 of toy; lower optimizer\.learning_rate"):
        train(work)


@pytest.mark.parametrize("seed", [0, 2**31 - 1])
def test_seeds_of_any_allowed_size_train(tmp_path, seed):
    assert train(job(tmp_path, 1, settings(seed=seed))).step == 1


def test_larger_seeds_are_refused():
    with pytest.raises(ValueError, match="less than"):
        settings(seed=2**31)
