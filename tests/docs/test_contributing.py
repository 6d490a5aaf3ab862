"""CONTRIBUTING is followed literally: a copy of danlu gets exactly the file, the line and the recipe of the page, a
separate package the file and the entry point; everything that the tables name exists."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from guide_blocks import blocks

import danlu
from danlu import registry
from danlu.config.compatibility import compatibility_matrix
from danlu.errors import WrongInput
from danlu.registry import Registry
from danlu.tasks.predictor import predictors

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "CONTRIBUTING.md"
FILES = blocks(PAGE, ["python", "yaml"])
"""The objective, the line and the recipe, in this order."""

ENTRIES = tomllib.loads(blocks(PAGE, ["toml"])[0].text)["project"]["entry-points"]
IGNORED = shutil.ignore_patterns("__pycache__", ".*")


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of danlu and its tests with the blocks of the page: new files are written, existing files get the line."""
    folder = tmp_path_factory.mktemp("extended")
    for part in ("danlu", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=IGNORED)
    shutil.copy(ROOT / "pyproject.toml", folder)
    for block in FILES:
        file, text = block.named
        with (folder / file).open("a", encoding="utf-8") as written:
            written.write(text)
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The file as an installed package with the entry point, separate from the danlu of this repository."""
    folder = tmp_path_factory.mktemp("package")
    (folder / "ahead.py").write_text(FILES[0].named[1], "utf-8")
    metadata = folder / "ahead-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: ahead\nVersion: 1\n", "utf-8")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in names.items()) for group, names in ENTRIES.items()]
    (metadata / "entry_points.txt").write_text("".join(lines), "utf-8")
    return folder


def run(words, work, *path):
    """Run a command of the page in a folder, with these folders first on Python's path."""
    program, *arguments = words
    command = [sys.executable, "-m", "danlu", *arguments] if program == "danlu" else [sys.executable, *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)


def commands():
    """The lines of the page's shell blocks, as words."""
    return [
        [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)]
        for block in blocks(PAGE, ["sh"])
        for line in block.text.splitlines()
    ]


def test_a_file_and_a_line_suffice(extended):
    assert len(FILES) == 5
    relative = {
        p.relative_to(extended).as_posix() for p in (extended / "danlu").rglob("*.*") if p.suffix in (".py", ".yaml")
    }
    new = {file for file in relative if not (ROOT / file).exists()}
    assert new == {"danlu/objectives/ahead.py", "danlu/recipes/ahead.yaml", "danlu/tasks/count_words.py"}
    changed = {f for f in relative - new if (extended / f).read_bytes() != (ROOT / f).read_bytes()}
    assert changed == {"danlu/objectives/__init__.py", "danlu/tasks/__init__.py"}
    for kind, name in (("objectives", "ahead"), ("tasks", "count_words")):
        before, after = ((folder / f"danlu/{kind}/__init__.py").read_text("utf-8") for folder in (ROOT, extended))
        assert after.removeprefix(before).splitlines() == [f"from danlu.{kind} import {name} as {name}"]


def allowed(done):
    assert done.returncode == 0, done.stderr
    found = [pair for pair in json.loads(done.stdout) if pair["objective"] == "ahead" and pair["allowed"]]
    return {pair["architecture"]: pair["reason"] for pair in found}


def causal_architectures():
    """Every architecture with causal order, and the setting that it needs for it."""
    return {
        pair.architecture: pair.reason for pair in compatibility_matrix() if pair.objective == "causal" and pair.allowed
    }


@pytest.mark.slow
def test_the_matrix_lists_the_new_objective_with_causal_architectures(extended, tmp_path):
    assert allowed(run(["danlu", "matrix", "--json"], tmp_path, extended)) == causal_architectures()


@pytest.mark.slow
def test_schema_and_matrix_include_the_new_task(extended, tmp_path):
    done = run(["danlu", "schema"], tmp_path, extended)
    assert done.returncode == 0, done.stderr
    assert '"count_words"' in done.stdout
    done = run(["danlu", "matrix"], tmp_path, extended)
    assert "tasks: classify, count_words;" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_the_conformance_suite_covers_the_new_task(extended):
    words = ["python", "-m", "pytest", "tests/conformance", "-p", "no:cacheprovider", "-o", "addopts="]
    chosen = ["-k", "count_words and (transformer or predictor or predictions)"]
    done = run([*words, *chosen], extended, extended)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_without_the_line_the_objective_is_unknown(tmp_path):
    file, text = FILES[2].named
    (tmp_path / Path(file).name).write_text(text, "utf-8")
    with pytest.raises(WrongInput, match="no objective is called 'ahead'"):
        danlu.run(tmp_path / Path(file).name, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def results_of(folder):
    (found,) = json.loads((folder / "results.json").read_text("utf-8"))["pretrain"]
    return found


@pytest.mark.slow
def test_every_command_of_the_page_runs_and_the_model_learns(extended, tmp_path):
    asked = commands()
    assert [words[:2] for words in asked[:2]] == [["danlu", "matrix"], ["danlu", "run"]]
    for split, count in (("train", 40), ("test", 20)):
        rows = [f"{split} {'word ' * (i % 7)}{i}" for i in range(count)]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text", *rows]), "utf-8")
    for words in asked:
        at = extended if "pytest" in words else tmp_path
        done = run(words, at, extended)
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        assert re.search("ahead|count_words|passed", done.stdout + done.stderr)
    done = run(["danlu", "classify", "runs/counts", "two words"], tmp_path, extended)
    assert done.returncode == 2
    assert "was fine-tuned for a task without classes (count_words); in Python, use danlu.load" in done.stderr
    found = results_of(tmp_path / "runs/ahead")
    assert found["terms"]["ahead"]["loss"] < 0.95 * found["judged"]["figures"]["entropy_of_targets"]


def test_in_a_script_an_import_suffices(tmp_path):
    (tmp_path / "ahead.py").write_text(FILES[0].named[1], "utf-8")
    (tmp_path / "mine.yaml").write_text(FILES[2].named[1], "utf-8")
    script = "import ahead, danlu.config.loading as l; print(l.load_recipe('mine.yaml').models['decoder'].objective)"
    done = run(["python", "-c", script], tmp_path, tmp_path, ROOT)
    assert (done.returncode, done.stdout) == (0, "name='ahead' distance=2\n"), done.stderr


@pytest.mark.slow
def test_an_objective_in_another_package_is_trained_and_loaded(package, tmp_path):
    assert allowed(run(["danlu", "matrix", "--json"], tmp_path, package, ROOT)) == causal_architectures()
    file, text = FILES[2].named
    (tmp_path / Path(file).name).write_text(text, "utf-8")
    short = ["models.decoder.training.budget=3 steps", "models.decoder.training.validations=1"]
    done = run(["danlu", "run", Path(file).name, *short], tmp_path, package, ROOT)
    assert done.returncode == 0, done.stderr
    assert results_of(tmp_path / "runs/ahead")["objective"] == "ahead"
    (tmp_path / "text.txt").write_text("a text\n", "utf-8")
    embed = ["danlu", "embed", "runs/ahead", "text.txt", "--json"]
    done = run(embed, tmp_path, package, ROOT)
    assert done.returncode == 0, done.stderr
    done = run(embed, tmp_path, ROOT)
    assert done.returncode == 2
    assert "no objective is called 'ahead'" in done.stderr


def test_every_group_of_entry_points_is_named():
    kinds = [*(found for found in vars(registry).values() if isinstance(found, Registry)), predictors]
    text = PAGE.read_text("utf-8")
    assert {f"danlu.{kind.kind}s" for kind in kinds} <= set(re.findall(r"`(danlu\.\w+)`", text))
    assert set(ENTRIES) == {"danlu.objectives"}


def test_tables_and_files_named_by_the_page_exist():
    """`NAME` of a test file, `path/to/file` of the repository."""
    text = PAGE.read_text("utf-8")
    paths = re.findall(r"`((?:danlu|tests|docs)/[\w./]+\.\w+)`", text)
    assert len(paths) > 15
    for path in paths:
        assert (ROOT / path).exists(), path
    tables = re.findall(r"`([A-Z]{4,})` (?:in|of) `((?:danlu|tests)/[\w./]+\.py)`", text)
    assert len(tables) > 9
    for name, path in tables:
        assert re.search(rf"^{name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE), f"{path} has no {name}"
