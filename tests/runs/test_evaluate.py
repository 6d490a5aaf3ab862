"""Evaluation of a saved model on a text: the figures equal those of a run, and baselines equal direct computations."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.errors import WrongInput
from danlu.evaluation.compressors import zstd_bits
from danlu.text.corpus import CorpusSettings, build_corpus


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, results, corpus) of a tiny run; train.jsonl and test.jsonl are splits of the corpus."""
    folder = tmp_path_factory.mktemp("judged")
    results = danlu.run(write_tiny_recipe(folder), out=folder / "run")
    source = str(folder / "text.txt")
    corpus = build_corpus(CorpusSettings(source=source, documents="line", validation=0.2, test=0.2))
    for split in ("train", "test"):
        lines = [json.dumps({"text": text}) for text in corpus.texts(split)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    return folder, results, corpus


def test_held_out_documents_give_the_figures_of_the_run(run):
    folder, results, _ = run
    (theirs,) = results["pretrain"]
    ours = danlu.evaluate(folder / "run/model/small", folder / "test.jsonl", folder / "train.jsonl")
    assert ours["bits_per_byte"] == pytest.approx(theirs["bits_per_byte"], rel=1e-6)
    assert ours["bits_per_byte_interval"] == pytest.approx(theirs["bits_per_byte_interval"], rel=1e-6)
    assert ours["baselines"] == pytest.approx(theirs["baselines"])
    assert ours["differences"]["ngram5"] == pytest.approx(theirs["differences"]["ngram5"], rel=1e-5)
    assert ours["text"]["documents"] == theirs["test"]["documents"]
    assert ours["documents_also_in_train"] == 0


def test_without_a_training_text_baselines_are_adaptive(run):
    folder, _, corpus = run
    found = danlu.evaluate(folder / "run/model/small", folder / "test.jsonl")
    assert set(found["baselines"]) == {"unigram", "zstd"}
    texts = list(corpus.texts("test"))
    size = sum(len(text.encode()) for text in texts)
    assert found["baselines"]["zstd"] == pytest.approx(zstd_bits("\n".join(texts).encode()) / size)
    tokenizer = danlu.load(folder / "run").tokenizer
    seen, nats = np.ones(tokenizer.vocabulary.size), 0.0
    for text in texts:
        for i in [*tokenizer.encode(text), tokenizer.vocabulary.eos]:
            nats -= math.log(seen[i] / seen.sum())
            seen[i] += 1
    assert found["baselines"]["unigram"] == pytest.approx(nats / math.log(2) / size)


def test_documents_also_in_the_training_text_are_counted(run):
    folder, *_ = run
    found = danlu.evaluate(folder / "run/model/small", folder / "test.jsonl", folder / "test.jsonl", stride=1)
    assert found["documents_also_in_train"] == found["text"]["documents"]
    assert found["baselines"]["zstd_primed"] < found["baselines"]["zstd"]


def test_a_masked_model_is_evaluated_by_pseudo_loss(run, tmp_path):
    folder, *_ = run
    recipe = write_tiny_recipe(tmp_path)
    danlu.pretrain(recipe, ["models.small.objective=masked"], out=tmp_path / "run")
    found = danlu.evaluate(tmp_path / "run/model/small", folder / "test.jsonl", every=4)
    low, high = found["pseudo_loss_interval"]
    assert low < found["pseudo_loss"] < high
    tokenizer = danlu.load(tmp_path / "run").tokenizer
    texts = [json.loads(line)["text"] for line in (folder / "test.jsonl").read_text("utf-8").splitlines()]
    assert found["targets"] == sum(len(tokenizer.encode(text)) for text in texts)
    assert found["pseudo_loss"] < 2 * math.log(300)


def test_a_single_document_has_no_interval(run, tmp_path):
    folder, *_ = run
    (tmp_path / "one.md").write_text("The furnace burns.", "utf-8")
    assert danlu.evaluate(folder / "run/model/small", tmp_path / "one.md")["bits_per_byte_interval"] is None


def test_impossible_evaluations_are_refused(run, tmp_path):
    folder, *_ = run
    with pytest.raises(WrongInput, match=r"does not exist; did you mean .*test.jsonl"):
        danlu.evaluate(folder / "run/model/small", folder / "tets.jsonl")
    (tmp_path / "empty.txt").write_text("\n \n", "utf-8")
    with pytest.raises(WrongInput, match="holds no text to evaluate on"):
        danlu.evaluate(folder / "run/model/small", tmp_path / "empty.txt")
    overrides = ["models.small.objective={name: permutation}", "models.small.prompts=[]"]
    danlu.pretrain(write_tiny_recipe(tmp_path), overrides, out=tmp_path / "run")
    with pytest.raises(WrongInput, match="'permutation': it neither continues text nor fills blanks"):
        danlu.evaluate(tmp_path / "run/model/small", folder / "test.jsonl")
