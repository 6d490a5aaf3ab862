"""Averaged weights and early stopping, also across an interruption."""

from __future__ import annotations

import pytest
import torch
from test_loop import HELD_OUT, by_kind, stopped_after, validate, without_clock
from toy_job import MACHINE, OBJECTIVE, job, network, settings

from danlu.training.loop import train
from danlu.training.step import Losses, measure
from danlu.training.weight_average import Average


def test_the_average_follows_its_recurrence():
    model = network()
    average = Average(model, 0.7)
    expected = model.embeddings["token"].weight.detach().double()
    for step in range(1, 30):
        with torch.no_grad():
            for p in model.parameters():
                p.add_(0.01 * step)
        average.update(model, step)
        kept = min(0.7, step / (step + 9))
        expected = kept * expected + (1 - kept) * model.embeddings["token"].weight.detach().double()
    assert torch.allclose(average.weights["embeddings.token.weight"].double(), expected, atol=1e-5)


def test_the_average_is_evaluated_and_kept_without_affecting_training(tmp_path):
    plain = job(tmp_path / "plain", 6, validate=validate)
    train(plain)
    averaged = job(tmp_path / "averaged", 6, settings(ema=0.9), validate=validate)
    position = train(averaged)
    losses = [[r["loss"] for r in by_kind(tmp_path / name, "train")] for name in ("plain", "averaged")]
    assert losses[0] == losses[1]
    measured = {r["step"]: r["loss"] for r in by_kind(tmp_path / "averaged", "validation")}
    assert measured[position.best_step] == measure(averaged.model, OBJECTIVE, HELD_OUT, MACHINE).loss
    assert any(
        not torch.equal(a, b) for a, b in zip(plain.model.parameters(), averaged.model.parameters(), strict=True)
    )


OPTIONS = {
    "average": {"ema": 0.8},
    "average of the last": {"ema": 0.8, "keep": "last"},
    "frozen": {"freeze": ["backbone"]},
    "layers": {"optimizer": {"name": "muon", "layer_decay": 0.7}},
    "losses": {"label_smoothing": 0.1, "z_loss": 1e-3},
    "recomputed": {"activation_checkpointing": True},
}


@pytest.mark.parametrize("chosen", OPTIONS.values(), ids=OPTIONS)
def test_stopped_training_resumes_bit_for_bit_with_any_option(tmp_path, chosen):
    from danlu.training.training_options import apply_training_options

    def network_with_options():
        model = network()
        apply_training_options(model, settings(**chosen))
        return model

    straight = job(tmp_path / "straight", 6, settings(**chosen), model=network_with_options(), validate=validate)
    train(straight)
    stopped_after(tmp_path / "stopped", 6, 3, chosen=settings(**chosen), model=network_with_options())
    again = job(tmp_path / "stopped", 6, settings(**chosen), model=network_with_options(), validate=validate)
    train(again)
    assert all(torch.equal(a, b) for a, b in zip(straight.model.parameters(), again.model.parameters(), strict=True))
    assert without_clock(tmp_path / "straight") == without_clock(tmp_path / "stopped")


def validate_with(losses):
    given = iter(losses)
    return lambda model: Losses({"masked": next(given)}, {"masked": 1}, {})


@pytest.mark.parametrize(
    ("losses", "ends"), [([3, 1, 2, 2, 9, 9], 8), ([3, 1, 2, 0.5, 1, 1], 12), ([1, 2, 2, 9, 9, 9], 6)]
)
def test_training_ends_after_validations_without_improvement(tmp_path, losses, ends):
    """One validation every second step of twelve."""
    work = job(tmp_path, 12, settings(patience=2), validate=validate_with(losses))
    assert train(work).step == ends
    again = job(tmp_path, 12, settings(patience=2), validate=lambda model: pytest.fail("trained after its end"))
    assert train(again).step == ends
