"""A run that is killed at any moment or asked to stop is completed by the same command, with equal results."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

from danlu.training.journal import CLOCK_FIELDS

CLOCKS = CLOCK_FIELDS | {"started"}

STAGES = [
    "recipe.yaml",
    "stages/tokenizer.json",
    "stages/pretrain/decoder-plan.json",
    "metrics.jsonl: 9 records",
    "stages/pretrain/decoder.json",
    "stages/evaluate/decoder.json",
    "stages/pretrain/encoder-plan.json",
    "metrics.jsonl: 40 records",
    "stages/finetune/library_part/plan.json",
    "stages/finetune/library_part/random_weights-0.json",
]
"""The run is killed a random moment after each of these exists."""


def start(folder, *arguments):
    """Start `danlu run` in `folder`, always with the same --out, so that no file contains the path."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "danlu", "run", *arguments, "machine.threads=1", "--out", "run"],
            cwd=folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=log,
        )


def is_present(run, what):
    name, _, count = what.partition(": ")
    if not (run / name).exists():
        return False
    return not count or (run / name).read_bytes().count(b"\n") >= int(count.split()[0])


def wait_for(process, run, what):
    """Wait until it exists or the process has ended."""
    while process.poll() is None and not is_present(run, what):
        time.sleep(0.005)


def finish(process, folder):
    code = process.wait()
    assert code == 0, (folder / "log").read_text()[-3000:]


def without_clocks(value):
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if k not in CLOCKS}
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def outputs_of(run):
    """Everything that must be equal, by file: weights as bytes, the rest without clock fields."""
    found: dict[str, object] = {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*.safetensors")}
    found |= {str(p.relative_to(run)): p.read_bytes() for p in (run / "model").rglob("*") if p.is_file()}
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    found["metrics.jsonl"] = [without_clocks(json.loads(line)) for line in lines]
    found["results.json"] = without_clocks(json.loads((run / "results.json").read_text("utf-8")))
    return found


def assert_same_outputs(one: Path, other: Path):
    names = [sorted(str(p.relative_to(run)) for p in run.rglob("*")) for run in (one, other)]
    assert names[0] == names[1]
    a, b = outputs_of(one), outputs_of(other)
    different = [name for name in a if a[name] != b[name]]
    assert not different
    assert len([name for name in a if name.endswith(".safetensors")]) >= 2


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_run_killed_ten_times_equals_an_undisturbed_run(tmp_path):
    finish(start(tmp_path / "undisturbed", "smoke"), tmp_path / "undisturbed")
    log = (tmp_path / "undisturbed" / "log").read_text()
    assert log.count("too short to judge: ") == 3, "the recipe is not meant to learn"
    moments, killed = random.Random(20261124), []
    folder = tmp_path / "killed"
    for what in STAGES:
        process = start(folder, "smoke")
        wait_for(process, folder / "run", what)
        time.sleep(moments.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        killed.append(process.wait() == -signal.SIGKILL)
    assert all(killed)
    finish(start(folder, "smoke"), folder)
    assert_same_outputs(tmp_path / "undisturbed" / "run", folder / "run")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_stopped_run_saves_and_the_same_command_resumes_it(tmp_path, number, code):
    tiny = [write_tiny_recipe(tmp_path), "models.small.training.budget=60 steps"]
    finish(start(tmp_path / "undisturbed", *tiny), tmp_path / "undisturbed")
    folder = tmp_path / "stopped"
    process = start(folder, *tiny)
    wait_for(process, folder / "run", "metrics.jsonl: 3 records")
    process.send_signal(number)
    assert process.wait() == code
    last = (folder / "log").read_text().splitlines()[-1]
    assert last.startswith("danlu: stopped at step ")
    assert last.endswith("of 60 of pretrain/small, saved; run it again to resume")
    finish(start(folder, *tiny), folder)
    a, b = outputs_of(tmp_path / "undisturbed" / "run"), outputs_of(folder / "run")
    assert a["metrics.jsonl"] == b["metrics.jsonl"]
    assert a["results.json"] == b["results.json"]
    assert a["model/small/model.safetensors"] == b["model/small/model.safetensors"]
