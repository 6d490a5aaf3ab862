"""Whole runs of objectives over sentences: their figures, fine-tuning from them, and what they refuse."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from sentence_store import english

import danlu
from danlu.errors import Stopped, WrongInput

PAIRS = Path(__file__).parents[1] / "conformance" / "toy_pairs.tsv"
RECIPE = """\
corpus: {{source: {source}, validation: 0.2, test: 0.2}}
tokenizer: {{name: byte_bpe, size: 300}}
models:
  encoder:
    objective: {objective}
    architecture: {{name: transformer, layers: 1, width: 16, heads: 2, context: 48, activation: relu2}}
    training: {{budget: 4 steps, batch_tokens: 256, validations: 1, validation_tokens: 512}}
{more}machine: {{dtype: float32, threads: 1}}
"""
LABELS = """\
tasks:
  labels:
    model: encoder
    task: {{name: classify, rows: {{train: {rows}, test: {rows}2}}, labels_per_class: 2, max_tokens: 16}}
    training: {{budget: 2 steps, batch_tokens: 64, validations: 1}}
    seeds: 1
"""


def recipe(folder, objective, sentences=lambda d: 3 + d % 5, more=""):
    lines = [json.dumps({"text": " ".join(english(d, sentences(d)))}) for d in range(60)]
    (folder / "text.jsonl").write_text("\n".join(lines), "utf-8")
    path = folder / "mine.yaml"
    path.write_text(RECIPE.format(source=folder / "text.jsonl", objective=objective, more=more), "utf-8")
    return str(path)


def figures_of(results):
    return results["pretrain"][0]["judged"]["figures"]


@pytest.mark.parametrize("objective", ["{name: contrastive, group: 2}", "next_sentence", "relatedness"])
def test_text_vectors_are_compared_with_random_weights_and_tfidf(tmp_path, objective):
    rows = tmp_path / "pairs.tsv"
    pairs = [(" ".join(english(d, 2)), " ".join(english(d + d % 3, 2)), -(d % 3)) for d in range(12)]
    rows.write_text("\n".join(["text_a\ttext_b\tlabel", *("\t".join(map(str, p)) for p in pairs)]), "utf-8")
    printed: list[str] = []
    more = f"evaluation: {{similarity: {{sts: {{rows: {rows}}}}}}}\n"
    results = danlu.run(recipe(tmp_path, objective, more=more), out=tmp_path / "run", say=printed.append)
    found = figures_of(results)
    for name in ("recall@1", "MRR", "alignment", "uniformity", "sts: Spearman"):
        for suffix in ("", ", random weights"):
            figure = found[name + suffix]
            assert figure["low"] <= figure["value"] <= figure["high"]
    assert {"recall@1, TF-IDF", "sts: Spearman, TF-IDF", "halves to find"} <= set(found)
    assert found["alignment"] != found["alignment, random weights"]
    own = "found in group" if "contrastive" in objective else "accuracy"
    assert 0 <= found[own]["low"] <= found[own]["value"] <= found[own]["high"] <= 1
    assert any("sts: Spearman, TF-IDF" in line for line in printed)


SEGMENTS, PATCHES = "embeddings.segment.weight", "embeddings.patch.weight"
EXTRA_TABLES = {
    "next_sentence": SEGMENTS,
    "sentence_order": SEGMENTS,
    f"{{name: translation, pairs: {PAIRS}, longest: 20}}": SEGMENTS,
    '{name: image_text, group: 3, templates: ["{english}"], max_tokens: 16}': PATCHES,
}
"""Objectives whose models have an embedding table that neither the task nor the architecture needs."""


@pytest.mark.parametrize("objective", EXTRA_TABLES)
def test_a_model_with_extra_embeddings_is_fine_tuned_and_loaded(tmp_path, objective):
    """Segment embeddings are kept, since every text is read as segment 0, although rows and architecture have no
    segments. Patch embeddings, which no text needs, are dropped."""
    rows = {}
    for name, count in (("rows.tsv", 8), ("rows.tsv2", 6)):
        rows[name] = [(f"row {name} {i} of {'iron' if i % 2 else 'tin'}", "ab"[i % 2]) for i in range(count)]
        lines = "\n".join(["text\tlabel", *map("\t".join, rows[name])])
        (tmp_path / name.replace("tsv2", "2.tsv")).write_text(lines, "utf-8")
    more = LABELS.format(rows=tmp_path / "rows.tsv").replace("rows.tsv2", "rows.2.tsv")
    results = danlu.run(recipe(tmp_path, objective, more=more), out=tmp_path / "run")
    (score,) = results["tasks"][0]["scores"]["ours"]["seeds"]
    tuned = danlu.load(tmp_path / "run" / results["tasks"][0]["path"])
    found = tuned.classify([text for text, _ in rows["rows.tsv2"]])
    right = [next(iter(chances)) == label for chances, (_, label) in zip(found, rows["rows.tsv2"], strict=True)]
    assert sum(right) / len(right) == pytest.approx(score)
    trained = danlu.load(tmp_path / "run" / "model" / "encoder")
    assert trained.embed(["The mill.", "A bell."]).shape == (2, 16)
    assert EXTRA_TABLES[objective] in trained.network.state_dict()
    assert (SEGMENTS in tuned.network.state_dict()) == (EXTRA_TABLES[objective] == SEGMENTS)
    assert PATCHES not in tuned.network.state_dict()
    if trained.network.objective.fills_blanks:
        assert len(trained.fill("The <mask> of house 3")[0]) == 5


@pytest.mark.parametrize(
    "objective",
    [
        "{name: next_sentence, masked: false}",
        "{name: sentence_order, masked: false}",
        "{name: masked_sentence, group: 2}",
    ],
)
def test_documents_of_one_sentence_are_refused_without_hanging(tmp_path, objective):
    """In UER-py the loader waits forever for an example of such a corpus (issue 196)."""
    with pytest.raises(WrongInput, match=r"finds no target in .* units of held-out text") as refused:
        danlu.run(recipe(tmp_path, objective, sentences=lambda d: 1), out=tmp_path / "run")
    assert "\n" not in str(refused.value)


def test_a_missing_table_of_pairs_is_refused_before_any_work(tmp_path):
    more = "evaluation: {similarity: {sts: {rows: nowhere.tsv}}}\n"
    with pytest.raises(WrongInput, match=r"nowhere\.tsv does not exist"):
        danlu.run(recipe(tmp_path, "relatedness", more=more), out=tmp_path / "run")
    assert not (tmp_path / "run" / "stages" / "corpus.json").exists()


@pytest.mark.parametrize("objective", ["sentence_order", "{name: masked_sentence, group: 2}"])
def test_a_training_that_an_earlier_version_started_with_other_examples_is_refused(tmp_path, objective):
    mine, out, seen = recipe(tmp_path, objective), tmp_path / "run", []
    record = out / "stages" / "examples" / "encoder.json"
    overrides = ["models.encoder.training.save_every=1"]
    stopped = {"watch": lambda record, plan: seen.append(record), "stop": lambda: len(seen) >= 2}
    with pytest.raises(Stopped):
        danlu.run(mine, overrides, out=out, quiet=True, **stopped)
    assert json.loads(record.read_text()) == {"version": 2}
    record.unlink()  # earlier versions left none
    with pytest.raises(WrongInput, match=r"^models.encoder.objective: .* makes other examples .*; delete ") as refused:
        danlu.run(mine, overrides, out=out, quiet=True)
    assert str(out / "checkpoints" / "encoder") in str(refused.value)
    shutil.rmtree(out / "checkpoints" / "encoder")
    again = danlu.run(mine, overrides, out=out, quiet=True)["pretrain"][0]
    fresh = danlu.run(mine, overrides, out=tmp_path / "fresh", quiet=True)["pretrain"][0]
    assert again["validation"] == fresh["validation"]
    record.unlink()
    assert danlu.run(mine, overrides, out=out, quiet=True)["pretrain"][0] == again


def test_a_training_is_resumed_with_the_version_of_the_examples_that_it_was_started_with(tmp_path):
    mine, out, seen = recipe(tmp_path, "sentence_order"), tmp_path / "run", []
    with pytest.raises(Stopped):
        danlu.run(mine, out=out, quiet=True, watch=lambda r, plan: seen.append(r), stop=lambda: len(seen) >= 2)
    resumed = danlu.run(mine, out=out, quiet=True)["pretrain"][0]
    assert resumed["validation"] == danlu.run(mine, out=tmp_path / "whole", quiet=True)["pretrain"][0]["validation"]


def test_a_fine_tuning_that_an_earlier_version_started_in_another_order_is_refused(tmp_path):
    for name, texts in (("rows.tsv", range(12)), ("rows.2.tsv", range(20, 26))):
        lines = [f"{' '.join(english(n, 2))}\t{'ab'[n % 2]}" for n in texts]
        (tmp_path / name).write_text("\n".join(["text\tlabel", *lines]), "utf-8")
    more = LABELS.format(rows=tmp_path / "rows.tsv").replace("rows.tsv2", "rows.2.tsv")
    mine, out = recipe(tmp_path, "prefix", more=more), tmp_path / "run"
    stages = out / "stages" / "finetune" / "labels"
    whole = danlu.run(mine, out=out, quiet=True)
    assert json.loads((stages / "reading.json").read_text()) == {"order": "full"}
    (stages / "reading.json").unlink()  # earlier versions left none
    assert danlu.run(mine, out=out, quiet=True)["tasks"] == whole["tasks"]  # nothing is left to train
    (stages / "random_weights-0.json").unlink()
    (out / "stages" / "controls" / "labels.json").unlink()
    with pytest.raises(WrongInput, match=r"^tasks.labels: .* in causal order, .* in full order; delete ") as refused:
        danlu.run(mine, out=out, quiet=True)
    for folder in (stages, out / "tasks" / "labels"):
        assert f"{folder} " in str(refused.value)
        shutil.rmtree(folder)
    assert danlu.run(mine, out=out, quiet=True)["tasks"] == whole["tasks"]
