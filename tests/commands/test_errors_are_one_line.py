"""Every user error is one line on stderr that names the problem and the remedy, with exit code 2 and no traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from tiny_recipe import RECIPE, write_tiny_recipe

from danlu.commands.main import show_warning
from danlu.config.loading import load_recipe
from danlu.durable import write_text
from danlu.errors import RenamedKey
from danlu.runs.directory import RunDirectory


@pytest.fixture
def tiny(tmp_path):
    return write_tiny_recipe(tmp_path)


def start_run(path, recipe):
    RunDirectory(Path(path), load_recipe(recipe)).close()


def one_line(result):
    code, out, err = result
    assert code == 2
    assert out == ""
    (line,) = err
    assert line.startswith("danlu: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rnu"], "no command 'rnu'; did you mean 'run'?"),
        (["run"], "Missing argument 'RECIPE|TEXT'."),
        (["run", "smoke", "--outt", "x"], "No such option '--outt'"),
        (["run", "smok"], "no recipe 'smok': neither a file nor a shipped recipe; did you mean 'smoke'?"),
        (["run", "smoke", "machine.thread=1"], "unknown key 'thread'; did you mean 'threads'?"),
        (["run", "smoke", "machine"], "'machine' is not key.path=value"),
        (["run", "smoke", "--budget", "soon"], "--budget: 'soon' is not a budget such as 5min"),
        (["run", "smoke", "--budget", "5min"], "no time budget to scale"),
        (["run", "smoke", "tasks={}", "corpus.source=nowhere.txt"], "nowhere.txt"),
        (["pretrain", "smoke", "corpus.source=builtin:pydoc"], "builtin:pydoc"),
        (["demo", "no.such.key=1"], "unknown key 'no'"),
        (["recipes", "smok"], "did you mean 'smoke'?"),
        (["generate", "runs/none", "The"], "runs/none"),
        (["generate", ".", "The"], "danlu.json"),
        (["generate", "x", "The", "--tokens", "0"], "'--tokens'"),
        (["generate", "x", "The", "--temperature", "-1"], "'--temperature'"),
        (["generate", "x", "The", "--top-p", "1.5"], "'--top-p'"),
        (["generate", "x", "The", "--top-p", "0"], "'--top-p'"),
        (["generate", "x", "The", "--top-k", "0"], "'--top-k'"),
        (["generate", "x", "The", "--seed", "-1"], "'--seed'"),
        (["generate", "x", "The", "--tokens", "many"], "'--tokens'"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_wrong_arguments(danlu_command, arguments, expected):
    assert expected in one_line(danlu_command(*arguments))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("models: [\n", "mine.yaml:2: not YAML"),
        ("corpus: {source: a}\ncorpus: {source: b}\n", "mine.yaml:2: found duplicate key"),
        ("corpus: {source: a}\nmodel: {}\n", "mine.yaml:2: model: unknown key 'model'; did you mean 'models'?"),
        ("\x00", "mine.yaml:1: not YAML"),
        ("", "mine.yaml:1: a recipe is a mapping"),
    ],
)
def test_invalid_recipes(danlu_command, tmp_path, text, expected):
    (tmp_path / "mine.yaml").write_text(text)
    assert expected in one_line(danlu_command("run", "mine.yaml"))


def test_several_errors_are_a_line_each(danlu_command, tmp_path):
    (tmp_path / "mine.yaml").write_text("corpus: {source: a, tset: 1}\nmodels: {}\nnothing: here\n")
    code, out, (first, *lines) = danlu_command("run", "mine.yaml")
    assert (code, out) == (2, "")
    assert first == "danlu: mine.yaml: 3 errors"
    assert [line.split(": ")[0] for line in lines] == ["mine.yaml:1", "mine.yaml:2", "mine.yaml:3"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "text.txt"),
        ("short\n" * 10, "text.txt"),
        ("x" * 3000, "text.txt"),
        (b"\xff\xfe" * 900, "text.txt"),
    ],
    ids=["empty", "small", "one document", "not UTF-8"],
)
def test_unusable_texts(danlu_command, tiny, tmp_path, text, expected):
    (tmp_path / "text.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert expected in one_line(danlu_command("run", tiny))


def test_a_run_folder_of_another_recipe(danlu_command, tiny):
    start_run("run", tiny)
    line = one_line(danlu_command("run", tiny, "models.small.training.seed=1", "--out", "run"))
    assert "the recipe changed since the run in run was started: models.small.training.seed was 0, is 1" in line


def test_a_run_folder_in_use(danlu_command, tiny, tmp_path):
    directory = RunDirectory(tmp_path / "run", load_recipe(tiny))
    try:
        assert "is in use by another run" in one_line(danlu_command("run", tiny, "--out", "run"))
    finally:
        directory.close()


def test_a_run_folder_with_other_files(danlu_command, tiny, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    assert "mine is not a run directory and not empty" in one_line(danlu_command("run", tiny, "--out", "mine"))


@pytest.mark.parametrize("out", ["text.txt", "text.txt/run", "x" * 300])
def test_a_run_folder_that_cannot_be_created(danlu_command, tiny, out):
    assert "with --out" in one_line(danlu_command("run", tiny, "--out", out))


def test_a_damaged_recipe_of_a_run_folder(danlu_command, tiny, tmp_path):
    start_run("run", tiny)
    write_text(tmp_path / "run" / "recipe.yaml", "corpus: [")
    assert "recipe.yaml:1: not YAML" in one_line(danlu_command("run", tiny, "--out", "run"))


def test_all_checkpoints_damaged(danlu_command, tiny, tmp_path):
    code, _, _ = danlu_command("run", tiny, "--out", "run")
    assert code == 0
    (tmp_path / "run" / "stages" / "pretrain" / "small.json").unlink()
    for weights in (tmp_path / "run" / "checkpoints").rglob("weights.safetensors"):
        weights.write_bytes(b"")
    code, _, err = danlu_command("run", tiny, "--out", "run")
    assert code == 2
    assert "every checkpoint in run/checkpoints/small is damaged" in err[-1]
    assert not any("Traceback" in line for line in err)


def test_a_training_that_diverges_is_one_line_and_exit_code_1(danlu_command, tiny):
    optimizer = "models.small.training.optimizer={name: adamw, learning_rate: 1e30}"
    code, _, err = danlu_command("run", tiny, optimizer, "models.small.training.schedule={name: linear, warm_up: 0}")
    assert code == 1
    assert "lower optimizer.learning_rate (1e+30)" in err[-1]
    assert not any("Traceback" in line for line in err)


@pytest.mark.parametrize("good", [0, 1, 3, 8, 20, 45])
def test_a_full_disk_is_one_line_and_nothing_is_lost(danlu_command, tiny, tmp_path, monkeypatch, good):
    """The disk accepts this many syncs and then none; with free space the same command completes the run."""
    left = [good]
    sync = os.fsync

    def fsync(handle):
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        sync(handle)

    # another corpus in each case, so that building it hits the full disk too
    (tmp_path / "text.txt").write_text((tmp_path / "text.txt").read_text() + f"\nA line of its own, number {good}.")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        code, out, err = danlu_command("run", tiny, "--out", "run")
    assert (code, out) == (2, "")
    assert "the disk is full; free some space and run again" in err[-1]
    assert not any("Traceback" in line for line in err)
    code, _, err = danlu_command("run", tiny, "--out", "run")
    assert code == 0
    assert (tmp_path / "run" / "results.json").exists()


def test_a_source_that_is_a_broken_table(danlu_command, tmp_path):
    (tmp_path / "a.jsonl").write_text("{not json\n" * 5)
    (tmp_path / "mine.yaml").write_text(RECIPE.format(source="a.jsonl"))
    assert "a.jsonl" in one_line(danlu_command("run", "mine.yaml"))


SLOWER = [["run", "nowhere.yaml"], ["run", "smoke", "--out", "text.txt"]]


@pytest.mark.parametrize("arguments", [["rnu"], *(pytest.param(words, marks=pytest.mark.slow) for words in SLOWER)])
def test_the_installed_command_prints_one_line(tiny, tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-m", "danlu", *arguments], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("danlu: ")


TASK = """\
tasks:
  topic:
    model: small
    task: {{name: classify, rows: {{train: train.tsv, test: test.tsv}}, labels_per_class: {labels}, max_tokens: 16}}
"""


@pytest.mark.parametrize(
    ("rows", "labels", "expected"),
    [
        (None, 1, "train.tsv"),
        ("text\tlabel\nhot\tfire\nwet\twater\n", 2, "tasks.topic.task.labels_per_class: 2 labels per class are asked"),
    ],
    ids=["no table", "too few labels"],
)
def test_an_impossible_task_is_refused_before_training(danlu_command, tiny, tmp_path, rows, labels, expected):
    with (tmp_path / "tiny.yaml").open("a") as file:
        file.write(TASK.format(labels=labels))
    if rows:
        (tmp_path / "train.tsv").write_text(rows)
        (tmp_path / "test.tsv").write_text(rows.replace("hot", "warm").replace("wet", "damp"))
    assert expected in one_line(danlu_command("run", tiny, "--out", "run"))
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_cache_that_cannot_be_written_names_its_environment_variable(danlu_command, tiny, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "file"))
    line = one_line(danlu_command("run", tiny, "--out", "run"))
    assert "choose another folder with the environment variable DANLU_CACHE" in line


def test_a_text_that_changed_since_the_run_started(danlu_command, tiny, tmp_path):
    assert danlu_command("run", tiny, "--out", "mine")[0] == 0
    text = tmp_path / "text.txt"
    text.write_text(text.read_text("utf-8") + "\nA line that was not there before.", "utf-8")
    line = one_line(danlu_command("run", tiny, "--out", "mine"))
    assert "text.txt changed since the run in mine was started: fingerprint was " in line


def test_a_renamed_setting_is_one_line(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        show_warning(warnings.showwarning, RenamedKey("the setting 'a' is now called 'b'"), RenamedKey, "file.py", 3)
    assert capsys.readouterr().err == "danlu: warning: the setting 'a' is now called 'b'\n"
