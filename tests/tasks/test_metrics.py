"""Metrics equal those of scikit-learn, and a task is scored by the metric it names."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

import danlu
from danlu.registry import metrics, tasks
from danlu.report.phrases import LANGUAGES, words
from danlu.runs.finetune_task import interval_facts

THEIRS = {
    "accuracy": accuracy_score,
    "macro_f1": lambda labels, found: f1_score(labels, found, average="macro", zero_division=0),
    "matthews": matthews_corrcoef,
}

classes = st.integers(2, 6).flatmap(
    lambda k: st.lists(st.tuples(*[st.integers(0, k - 1)] * 2), min_size=1, max_size=60)
)


def test_every_registered_metric_has_a_reference_and_words():
    assert set(THEIRS) == set(metrics)
    for language in LANGUAGES:
        assert {f"metric.{name}" for name in metrics} <= set(words(language))


@pytest.mark.filterwarnings("ignore")  # scikit-learn warns about a single class, which is intended here
@pytest.mark.parametrize("name", THEIRS)
@given(rows=classes)
def test_a_metric_equals_that_of_scikit_learn(name, rows):
    labels, found = zip(*rows, strict=True)
    metric = metrics.validate(name)
    expected = THEIRS[name](labels, found)
    assert metric.score(np.array(labels), np.array(found)) == pytest.approx(expected, abs=1e-12)
    assert metric.score([f"类{i}" for i in labels], [f"类{i}" for i in found]) == pytest.approx(expected, abs=1e-12)
    assert metric.low <= metric.score(labels, found) <= metric.high


@pytest.mark.parametrize("name", THEIRS)
def test_rows_that_cannot_be_compared_are_refused(name):
    for labels, found in (([], []), ([0, 1], [0])):
        with pytest.raises(ValueError, match="cannot be compared"):
            metrics.validate(name).score(labels, found)


def test_large_tables_do_not_overflow():
    labels = np.arange(200_000) % 2
    assert metrics.validate("matthews").score(labels, labels) == 1.0
    assert metrics.validate("matthews").score(labels, 1 - labels) == -1.0


def test_a_task_names_its_metric():
    rows = {"train": "train.tsv", "test": "test.tsv"}
    assert tasks.validate({"name": "classify", "rows": rows}).metric.name == "accuracy"
    assert tasks.validate({"name": "classify", "rows": rows, "metric": "macro_f1"}).metric.name == "macro_f1"
    with pytest.raises(ValidationError, match="did you mean 'matthews'"):
        tasks.validate({"name": "classify", "rows": rows, "metric": "mathews"})


def test_intervals_are_clipped_to_the_range_of_the_metric():
    scores = [-0.9, 0.9]
    for name in THEIRS:
        found = interval_facts(scores, (metrics.validate(name).low, metrics.validate(name).high))
        assert (found["low"], found["high"]) == (metrics.validate(name).low, metrics.validate(name).high)


RECIPE = """\
corpus: {{source: {folder}/text.txt, documents: line, validation: 0.2, test: 0.2}}
tokenizer: {{name: byte_bpe, size: 300}}
models:
  small:
    objective: masked
    architecture: {{name: transformer, layers: 1, width: 16, heads: 2, context: 16}}
    training: {{budget: 2 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}}
tasks:
  part:
    model: small
    task:
      name: classify
      rows: {{train: {folder}/train.tsv, test: {folder}/test.tsv}}
      labels_per_class: 4
      max_tokens: 16
      metric: matthews
    training: {{budget: 4 steps}}
    seeds: 2
machine: {{dtype: float32, threads: 1}}
"""


@pytest.mark.slow
def test_a_run_scores_all_by_the_chosen_metric(tmp_path, monkeypatch):
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    (tmp_path / "text.txt").write_text("\n".join(f"the furnace {i} burns for {i % 7} days" for i in range(60)))
    for split, rows in (("train", 30), ("test", 21)):
        lines = [f"{split} {i}: {'iron' if i % 3 else 'tin'} melts\t{'ab'[i % 3 > 0]}" for i in range(rows)]
        (tmp_path / f"{split}.tsv").write_text("text\tlabel\n" + "\n".join(lines))
    (tmp_path / "r.yaml").write_text(RECIPE.format(folder=tmp_path))
    danlu.run(str(tmp_path / "r.yaml"), out=tmp_path / "run")
    (task,) = json.loads((tmp_path / "run" / "results.json").read_text())["tasks"]
    assert task["metric"] == "matthews"
    assert task["scores"]["tfidf"]["mean"] == 1.0  # one word identifies the class
    assert task["scores"]["majority"]["seeds"] == [0.0, 0.0]  # by accuracy it would be at least a third
    assert "Matthews correlation" in (tmp_path / "run" / "report.html").read_text()
