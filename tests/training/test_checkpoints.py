"""Checkpoints: which are kept, and what happens when one is damaged, half-written or does not fit on the disk."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest
import torch
from safetensors import SafetensorError
from toy_job import network

from danlu.errors import WrongInput
from danlu.training import checkpoint
from danlu.training.checkpoint import Checkpoints, TrainingState


@pytest.fixture
def saved(tmp_path):
    """Steps 1 to 6, each with its number in every weight; the second is the best."""
    checkpoints = Checkpoints(tmp_path / "saved")
    position = TrainingState()
    for step, loss in ((1, 5.0), (2, 1.0), (3, 4.0), (4, 3.0), (5, 2.0), (6, 2.5)):
        position = replace(position, step=step, tokens=step * 10).with_validation(step, loss)
        checkpoints.save(position, filled(step), [])
    return checkpoints


def filled(value):
    model = network()
    with torch.no_grad():
        for p in model.parameters():
            p.fill_(value)
    return model


def value_of(checkpoints, step):
    model = network()
    checkpoints.load_weights(step, model)
    values = {v for p in model.parameters() for v in p.detach().unique().tolist()}
    assert len(values) == 1
    return values.pop()


def test_the_last_two_and_the_best_are_kept(saved):
    assert saved.steps() == [2, 5, 6]
    assert [value_of(saved, step) for step in saved.steps()] == [2, 5, 6]


def test_training_resumes_from_the_newest(saved):
    warnings = []
    assert saved.newest(warnings) == TrainingState(6, 60, best_step=2, best_loss=1.0)
    assert warnings == []


def test_without_checkpoints_there_is_no_newest(tmp_path):
    assert Checkpoints(tmp_path / "nowhere").newest([]) is None


def flipped(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


DAMAGES = {
    "a flipped bit": lambda folder: flipped(folder / "weights.safetensors"),
    "a flipped bit of the optimizer": lambda folder: flipped(folder / "optimizer.safetensors"),
    "a truncated file": lambda folder: (folder / "weights.safetensors").write_bytes(b""),
    "a missing file": lambda folder: (folder / "position.json").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text('{"weights.saf'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(saved, damage):
    damage(saved.path(6))
    warnings = []
    assert saved.newest(warnings).step == 5
    (warning,) = warnings
    assert warning.startswith("damaged checkpoint skipped: ")
    assert "step-00000006" in warning
    assert "\n" not in warning


def test_only_damaged_checkpoints_are_refused_in_one_line(saved):
    for step in saved.steps():
        flipped(saved.path(step) / "weights.safetensors")
    with pytest.raises(WrongInput, match=r"every checkpoint in .* is damaged .*; delete the folder") as refused:
        saved.newest([])
    assert "\n" not in str(refused.value)


def test_modified_weights_are_not_loaded(saved):
    flipped(saved.path(2) / "weights.safetensors")
    with pytest.raises(
        WrongInput, match=r"was changed after it was written; choose another folder with --out to train again"
    ):
        saved.load_weights(2, network())


@pytest.mark.parametrize("name", ["write_weights", "write_json"])
def test_an_interrupted_write_keeps_the_previous_checkpoints(saved, name, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            saved.save(TrainingState(7), filled(7), [])
    assert saved.newest([]).step == 6
    saved.save(TrainingState(7), filled(7), [])
    assert value_of(saved, 7) == 7
    assert not [p for p in saved.folder.iterdir() if p.name.endswith(".new")]


def test_saving_a_step_again_replaces_a_damaged_checkpoint(saved):
    flipped(saved.path(6) / "weights.safetensors")
    saved.save(TrainingState(6), filled(66), [])
    assert value_of(saved, 6) == 66


def no_space(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def no_space_in_rust(*_, **__):
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    ("place", "refusal"),
    [("danlu.training.weights.save_file", no_space_in_rust), ("os.fsync", no_space)],
)
def test_a_full_disk_is_one_line_and_keeps_the_previous_checkpoints(saved, place, refusal, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(place, refusal)
        with pytest.raises(WrongInput, match=r"cannot write .*step-00000007.*: the disk is full; free some space"):
            saved.save(TrainingState(7), filled(7), [])
    assert saved.newest([]).step == 6
    assert value_of(saved, 6) == 6
