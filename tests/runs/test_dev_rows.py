"""Dev rows choose the learning rate and the steps; a single table can be split."""

from __future__ import annotations

import json

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.errors import WrongInput

pytest.importorskip("sklearn")
OVERRIDES = [
    "machine={dtype: float32, threads: 1}",
    "training.batch_tokens=128",
    "training.optimizer.learning_rate=1e-2",
]
LABELS = ("iron", "gold", "tin")


def write_table(path, name, count):
    rows = [f"{name} {i} the {LABELS[i % 3]} melts\t{LABELS[i % 3]}\t{i // 6}" for i in range(count)]
    path.write_text("\n".join(["text\tlabel\tauthor", *rows]), "utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dev")
    for name, count in (("train", 45), ("dev", 15), ("test", 15)):
        write_table(folder / f"{name}.tsv", name, count)
    danlu.pretrain(write_tiny_recipe(folder), ["models.small.objective=masked"], out=folder / "run")
    return folder


def finetune(folder, out, overrides=(), **given):
    files = {"train": folder / "train.tsv", "seeds": 1, "budget": "12 steps", "out": folder / out}
    return danlu.finetune(folder / "run/model/small", overrides=[*OVERRIDES, *overrides], **files | given)


def records(folder, out, stage):
    lines = (folder / out / "metrics.jsonl").read_text("utf-8").splitlines()
    return [r for r in map(json.loads, lines) if r["stage"] == stage and r["kind"] == "validation"]


def test_dev_rows_choose_the_learning_rate_and_the_steps(folder):
    files = {"test": folder / "test.tsv", "dev": folder / "dev.tsv"}
    (task,) = finetune(folder, "chosen", ["learning_rates=[1e-5, 3e-2]"], **files)["tasks"]
    for arm in ("ours", "random_weights"):
        found = task["chosen_by_dev"][arm]
        assert set(found["candidates"]) == {"1e-05", "0.03"}
        best = max(facts["score"] for facts in found["candidates"].values())
        name = f"{found['learning_rate']:.3g}"
        assert found["candidates"][name]["score"] == best
        shown = records(folder, "chosen", f"finetune/labels/{arm}-0")
        assert len(shown) > 1  # one per epoch
        assert all("accuracy" in record for record in shown)
        best = min(shown, key=lambda record: record["loss"])
        assert found["steps"] == [best["step"]]


def test_validations_and_patience_are_respected(folder):
    files = {"test": folder / "test.tsv", "dev": folder / "dev.tsv"}
    given = ["learning_rates=[1e-2]", "training.validations=3"]
    (task,) = finetune(folder, "three", given, **files)["tasks"]
    assert len(records(folder, "three", "finetune/labels/ours-0")) == 3
    assert task["chosen_by_dev"]["ours"]["candidates"] == {}
    with pytest.raises(WrongInput, match="has no dev rows to select on"):
        finetune(folder, "none", ["training.patience=1"], test=folder / "test.tsv")


@pytest.mark.parametrize("group", [None, "author"])
def test_a_single_table_is_split_by_class_and_the_split_recorded(folder, group):
    out = f"split-{group}"
    (task,) = finetune(folder, out, split=0.2, group=group)["tasks"]
    lines = (folder / out / "tasks/labels/split.tsv").read_text("utf-8").splitlines()[1:]
    sides = dict(line.split("\t") for line in lines)
    assert list(sides) == [f"train.tsv:{i}" for i in range(2, 47)]
    assert task["test_rows"] == sum(side == "test" for side in sides.values())
    assert 6 <= task["test_rows"] <= 12
    if group:
        authors = {}
        for i, side in enumerate(sides.values()):
            authors.setdefault(i // 6, set()).add(side)
        assert all(len(found) == 1 for found in authors.values())


def test_test_and_split_are_mutually_exclusive(folder):
    with pytest.raises(WrongInput, match="give either test"):
        finetune(folder, "neither")
