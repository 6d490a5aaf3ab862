"""A run directory: its lock, the recipe it was started with, and that a finished stage is never repeated."""

from __future__ import annotations

import errno
import os
import time
from contextlib import closing
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

from danlu.config.loading import dump_recipe, load_recipe
from danlu.errors import WrongInput
from danlu.runs.directory import RunDirectory

SMOKE = load_recipe("smoke")


def refusal(path, recipe=SMOKE):
    with pytest.raises(WrongInput) as error:
        RunDirectory(path, recipe)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_same_recipe_opens_an_existing_directory(tmp_path):
    for _ in range(2):
        RunDirectory(tmp_path / "a" / "run", SMOKE).close()
    assert load_recipe(str(tmp_path / "a" / "run" / "recipe.yaml")) == SMOKE


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("models.encoder.objective.rate=0.3", "models.encoder.objective.rate was 0.15, is 0.3"),
        ("models.decoder.training.budget=21 steps", "models.decoder.training.budget was '20 steps', is '21 steps'"),
        ("tasks={}", "tasks.library_part was {"),
    ],
)
def test_another_recipe_is_refused_with_the_changed_key(tmp_path, override, difference):
    RunDirectory(tmp_path, SMOKE).close()
    error = refusal(tmp_path, load_recipe("smoke", [override]))
    assert error.startswith(f"the recipe changed since the run in {tmp_path} was started: {difference}")
    assert error.endswith("; restore it, or choose another directory with --out")
    RunDirectory(tmp_path, SMOKE).close()


def test_a_directory_in_use_is_refused(tmp_path):
    with closing(RunDirectory(tmp_path, SMOKE)):
        assert refusal(tmp_path) == (
            f"{tmp_path} is in use by another run; wait for it, or choose another directory with --out"
        )
    RunDirectory(tmp_path, SMOKE).close()


def test_a_folder_with_other_files_is_refused_and_unchanged(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    error = refusal(tmp_path)
    assert error == f"{tmp_path} is not a run directory and not empty; choose another one with --out"
    assert {p.name for p in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}


def test_remains_of_a_run_killed_at_its_start_are_accepted(tmp_path):
    for name in (".lock", ".recipe.yaml.new"):
        (tmp_path / name).write_text("")
    RunDirectory(tmp_path, SMOKE).close()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_file_in_the_way_is_refused(tmp_path, below):
    (tmp_path / "file").write_text("")
    error = refusal(tmp_path / "file" / below)
    assert error.endswith("a file exists where a folder is needed; choose another folder with --out")


def test_a_name_too_long_is_refused(tmp_path):
    assert "the name is too long" in refusal(tmp_path / ("x" * 300))


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "no permission to write there"),
        (errno.EROFS, "that file system is read-only"),
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "your disk quota is used up"),
    ],
)
@pytest.mark.parametrize("place", ["mkdir", "open"])
def test_an_unwritable_place_is_refused(tmp_path, monkeypatch, number, advice, place):
    """The system error is simulated, since root may write everywhere."""

    def refuse(self, *_, **__):
        raise OSError(number, os.strerror(number), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, place, refuse)
        assert advice in refusal(tmp_path / "run")


@pytest.fixture
def run(tmp_path):
    with closing(RunDirectory(tmp_path, SMOKE)) as directory:
        yield directory


def test_a_finished_stage_is_not_repeated(run):
    assert run.stage("deep/one", lambda: {"n": 1}) == {"n": 1}
    assert run.stage("deep/one", lambda: pytest.fail("done again")) == {"n": 1}


def test_a_failed_stage_is_repeated(run):
    with pytest.raises(ZeroDivisionError):
        run.stage("one", lambda: {"n": 1 / 0})
    assert run.stage("one", lambda: {"n": 2}) == {"n": 2}


def test_a_recorded_choice_is_kept(run):
    assert run.record_once("plan", lambda: {"steps": 5}) == {"steps": 5}
    assert run.record_once("plan", lambda: pytest.fail("chosen again")) == {"steps": 5}


def test_a_changed_input_is_refused_with_the_difference(run, tmp_path):
    first = {"sha256": "ab" * 32, "size": 5}
    assert run.pin("start/small", first, "models.small.start: mine") == first
    assert run.pin("start/small", dict(first), "models.small.start: mine") == first
    with pytest.raises(WrongInput) as refused:
        run.pin("start/small", first | {"sha256": "cd" * 32}, "models.small.start: mine")
    assert str(refused.value) == (
        f"models.small.start: mine changed since the run in {tmp_path} was started: sha256 was 'abababababab...', is "
        "'cdcdcdcdcdcd...'; restore it, or choose another directory with --out"
    )
    with pytest.raises(WrongInput, match="size was 5, is None"):
        run.pin("start/small", {"sha256": "ab" * 32}, "models.small.start: mine")


def test_the_journal_of_a_stage_starts_where_the_last_one_ended(tmp_path):
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        run.stage("one", lambda: run.journal.write({"step": 1}) or {})
        end = run.journal_end
        run.journal.write({"step": 2})
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        assert run.journal_end == 0
        run.stage("one", lambda: pytest.fail("done again"))
        assert run.journal_end == end == len('{"step": 1}\n')


def test_seconds_are_kept_across_processes(tmp_path):
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        run.stage("one", dict)
        spent = run.seconds
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        run.stage("one", dict)
        assert run.seconds == spent > 0


def test_the_time_of_interrupted_stages_is_counted(tmp_path):
    """Regression: a training that was stopped after an hour was reported with only the minutes after it."""

    def stopped():
        time.sleep(0.2)
        raise KeyboardInterrupt

    for _ in range(2):
        with closing(RunDirectory(tmp_path, SMOKE)) as run, pytest.raises(KeyboardInterrupt):
            run.stage("one", stopped)
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        run.stage("one", dict)
        assert run.seconds >= 0.4
    assert [p.name for p in (tmp_path / "stages").iterdir()] == ["one.json"]


def test_a_damaged_stage_file_is_refused_with_the_remedy(run):
    run.stage("one", dict)
    run.file("one").write_text('{"facts": {')
    with pytest.raises(WrongInput, match=r"stages/one.json is damaged .*; delete it and run again"):
        run.stage("one", dict)


def test_a_deleted_journal_is_detected(tmp_path):
    with closing(RunDirectory(tmp_path, SMOKE)) as run:
        run.stage("one", lambda: run.journal.write({"step": 1}) or {})
    (tmp_path / "metrics.jsonl").unlink()
    with closing(RunDirectory(tmp_path, SMOKE)) as run, pytest.raises(WrongInput, match="restore the file"):
        run.stage("one", dict)


def test_a_run_of_an_earlier_version_is_refused_in_one_line_or_resumed_with_its_field(tmp_path):
    recipe = load_recipe(write_tiny_recipe(tmp_path), ["corpus.text_field=text"])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text(dump_recipe(recipe), "utf-8")
    with pytest.raises(WrongInput, match=r"corpus\.text_field was 'text', is 'auto'; restore it") as caught:
        RunDirectory(tmp_path / "run", load_recipe(str(tmp_path / "tiny.yaml")))
    assert "\n" not in str(caught.value)
    RunDirectory(tmp_path / "run", recipe).close()
