"""The worked example of a task: one file and one import line train, save, load and predict."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

ROOT = Path(__file__).parents[2]
TOY = Path(__file__).with_name("count_words.py.txt")

SCRIPT = """
import json, danlu, danlu.config.schema
from danlu.registry import tasks
results = danlu.finetune("run/model/small", "train.tsv", "test.tsv", task="count_words", seeds=2, budget="20 steps",
                         out="counts", overrides=["machine={dtype: float32, threads: 1}"])
model = danlu.load("counts")
print(json.dumps({"tasks": list(tasks), "task": results["tasks"][0], "found": model.predict(["a b c", "d"])}))
"""


@pytest.mark.slow
def test_a_file_and_a_line_are_a_task(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("danlu", "tests"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copy(TOY, tmp_path / "danlu/tasks/count_words.py")
    with (tmp_path / "danlu/tasks/__init__.py").open("a", encoding="utf-8") as file:
        file.write("from danlu.tasks import count_words as count_words\n")
    for split, count in (("train", 40), ("test", 20)):
        lines = ["text", *(" ".join(["word"] * (1 + i % 7)) + f" {i}" for i in range(count))]
        (tmp_path / f"{split}.tsv").write_text("\n".join(lines), "utf-8")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}

    def run(*words):
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    recipe = write_tiny_recipe(tmp_path)
    run("-m", "danlu", "pretrain", str(recipe), "models.small.objective=masked", "--out", "run")
    found = json.loads(run("-c", SCRIPT).splitlines()[-1])
    assert found["tasks"] == ["classify", "count_words"]
    task = found["task"]
    assert (task["metric"], task["higher_is_better"], task["baselines"]) == ("mae", False, ["mean"])
    assert set(task["scores"]) == {"ours", "random_weights", "mean"}
    assert len(found["found"]) == 2
    assert (tmp_path / "counts/tasks/count_words/model/model.safetensors").is_file()
    run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance", "-k", "count_words and transformer")
