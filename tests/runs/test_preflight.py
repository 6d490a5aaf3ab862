"""Preflight: errors that would end a run later are reported in one line before training, without a directory."""

from __future__ import annotations

import json
from itertools import count, islice

import numpy as np
import pytest
from sentence_store import english
from tiny_recipe import write_tiny_recipe
from toy_language import VOCABULARY

import danlu
from danlu.architectures import build_network
from danlu.config.continuation_draft import draft_continuation
from danlu.config.loading import load_recipe
from danlu.errors import Stopped, WrongInput
from danlu.evaluation.text_to_text import BLANK
from danlu.interop import save_native
from danlu.objective import TextRewriter
from danlu.registry import architectures, objectives
from danlu.runs.collect_results import usage
from danlu.text.split import fraction
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.training.journal import read_journal

ENCODER_DECODER = {"name": "t5", "layers": 1, "width": 16, "heads": 2, "context": 24}
SPANS = {"name": "spans", "sentinels": 7}
DENOISING = {"name": "denoising", "delete": 0.1}


def rewriting_overrides(objective):
    """Overrides of the tiny recipe for a model that rewrites text."""
    changed = {"objective": objective, "architecture": ENCODER_DECODER}
    return [f"models.small.{key}={json.dumps(value)}" for key, value in changed.items()]


@pytest.mark.parametrize(
    ("objective", "prompts", "expected"),
    [
        (SPANS, ["The ___ burns", "no blank"], "1: 'no blank': the text has no blank; mark each blank with <mask>"),
        (SPANS, ["___ a ___ b ___ c ___ d ___ e ___ f ___"], "0: .*has 7 blanks; the model supports at most 6"),
        (DENOISING, ["furnace " * 40], "0: .*the text has [0-9]+ tokens, more than the model's context of 24"),
    ],
)
def test_a_prompt_that_cannot_be_rewritten_is_refused_before_step_1(objective, prompts, expected, tmp_path):
    changed = [*rewriting_overrides(objective), f"models.small.prompts={json.dumps(prompts)}"]
    with pytest.raises(WrongInput, match=f"^models.small.prompts.{expected}") as refused:
        danlu.run(write_tiny_recipe(tmp_path), changed, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(WrongInput, match=f"^models.small.prompts.{expected}"):
        danlu.show(write_tiny_recipe(tmp_path), changed)


def test_a_missing_corpus_is_refused_before_task_rows_are_read(tmp_path):
    """Regression: reading the rows can take seconds, and a misspelt corpus was reported only after that."""
    recipe = write_tiny_recipe(tmp_path)
    rows = {"train": "missing.tsv", "test": "missing.tsv"}
    task = {"model": "small", "task": {"name": "classify", "rows": rows, "max_tokens": 12}, "seeds": 1}
    overrides = ["corpus.source=missing.txt", f"tasks.topic={json.dumps(task)}"]
    with pytest.raises(WrongInput, match=r"^(corpus\.)?source: .*missing\.txt does not exist"):
        danlu.run(recipe, overrides, out=tmp_path / "run")


@pytest.mark.parametrize("name", [n for n in objectives if issubclass(objectives[n], TextRewriter)])
def test_objectives_that_need_a_blank_refuse_a_text_without_one(name):
    objective = objectives.validate({"name": name, **({"sentinels": 4} if name == "spans" else {})})
    try:
        objective.source_ids([np.arange(4, 8)], VOCABULARY)
        refused = False
    except WrongInput:
        refused = True
    assert objective.needs_blank == refused


@pytest.mark.parametrize("objective", [SPANS, DENOISING, "causal"])
def test_the_usage_example_is_accepted_by_the_model(objective, tmp_path):
    changed = rewriting_overrides(objective) if isinstance(objective, dict) else []
    recipe = load_recipe(write_tiny_recipe(tmp_path), [*changed, "models.small.prompts=[]"])
    (line,) = usage(tmp_path, recipe).shell
    assert bool(BLANK.search(line)) == (objective is SPANS)


@pytest.mark.parametrize("objective", [SPANS, DENOISING])
def test_a_draft_for_a_model_that_fills_blanks_has_blanks_in_its_prompts(objective, tmp_path):
    write_tiny_recipe(tmp_path)
    chosen, architecture = objectives.validate(objective), architectures.validate(ENCODER_DECODER)
    tokenizer = ByteBPE(size=300).train(["The kiln burns north of the river."] * 3).with_sentinels(7)
    network = build_network(chosen, architecture, tokenizer.vocabulary.size, seed=0)
    save_native(network, tokenizer, tmp_path / "saved", chosen, architecture)
    drafted = draft_continuation(tmp_path / "text.txt", "1min", str(tmp_path / "saved"))
    prompts = drafted.recipe.models["continued"].prompts
    assert prompts
    assert all(bool(BLANK.search(prompt)) == (objective is SPANS) for prompt in prompts)


RECIPE = """\
corpus: {{source: {source}, validation: 0.2, test: 0.2}}
tokenizer: {{name: byte_bpe, size: 300}}
models:
  encoder:
    objective: {objective}
    architecture: {{name: transformer, layers: 1, width: 16, heads: 2, context: 48, activation: relu2}}
    training: {{budget: 4 steps, batch_tokens: 256, validations: 1, validation_tokens: 512}}
machine: {{dtype: float32, threads: 1}}
"""


def documents_with_hash_in(sentences, low, high):
    """Documents of this many sentences whose hash is in the range."""
    texts = (" ".join(english(d, sentences)) for d in count())
    return (text for text in texts if low <= fraction(text) < high)


def recipe(folder, objective, tested):
    """A recipe whose test split consists of the documents `tested`."""
    texts = [*islice(documents_with_hash_in(4, 0, 0.2), 20), *islice(documents_with_hash_in(4, 0.4, 1), 40), *tested]
    (folder / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    path = folder / "mine.yaml"
    path.write_text(RECIPE.format(source=folder / "text.jsonl", objective=objective), "utf-8")
    return str(path)


FEW = [
    ("{name: contrastive, group: 8}", 4, 3, "test split: the objective draws several units that share no document"),
    ("relatedness", 4, 1, "test split: the objective draws several units that share no document"),
    ("{name: sentence_order, masked: false}", 1, 1, "test split: sentence_order finds no target in 1 units"),
]


@pytest.mark.parametrize(("objective", "sentences", "documents", "expected"), FEW)
def test_a_test_split_that_cannot_be_measured_is_refused_before_step_1(
    objective, sentences, documents, expected, tmp_path
):
    path = recipe(tmp_path, objective, islice(documents_with_hash_in(sentences, 0.2, 0.4), documents))
    with pytest.raises(WrongInput, match=f"^models.encoder, {expected}") as refused:
        danlu.run(path, out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def one_sentence_each(folder, also=()):
    """A recipe whose documents have one sentence each, except the documents `also`."""
    texts = [*(" ".join(english(d, 1)) for d in range(80)), *also]
    (folder / "text.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts), "utf-8")
    path = folder / "mine.yaml"
    path.write_text(RECIPE.format(source=folder / "text.jsonl", objective="next_sentence"), "utf-8")
    return str(path)


def test_a_term_without_any_target_is_refused_before_step_1(tmp_path):
    expected = "^models.encoder: next_sentence finds no target for its term 'next' in [0-9]+ units of text"
    with pytest.raises(WrongInput, match=expected) as refused:
        danlu.run(one_sentence_each(tmp_path), out=tmp_path / "run")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_term_without_held_out_targets_is_reported(tmp_path):
    printed = []
    path = one_sentence_each(tmp_path, islice(documents_with_hash_in(4, 0.5, 1), 8))
    results = danlu.run(path, out=tmp_path / "run", say=printed.append)
    assert [line for line in printed if "next is trained but not measured" in line]
    assert set(results["pretrain"][0]["terms"]) == {"masked"}


def test_validations_have_bits_per_byte_only_if_every_token_is_predicted(tmp_path):
    path = write_tiny_recipe(tmp_path)
    whole = "models.small.training.validation_tokens=100000"
    for objective, expected in (("causal", True), ("prefix", False), ("{name: prefix, shortest: 0, longest: 0}", True)):
        out = tmp_path / f"run-{objective[:12]}"
        danlu.run(path, [f"models.small.objective={objective}", whole], out=out)
        records = [r for r in read_journal(out / "metrics.jsonl") if r["kind"] == "validation"]
        assert records
        assert all(("bits_per_byte" in record) == expected for record in records), objective


def test_a_later_model_is_checked_before_the_first_one_trains(tmp_path):
    path = recipe(tmp_path, "masked", islice(documents_with_hash_in(4, 0.2, 0.4), 1))
    architecture = "{name: transformer, layers: 1, width: 16, heads: 2, context: 48, activation: relu2}"
    later = ["models.later.objective=relatedness", f"models.later.architecture={architecture}"]
    with pytest.raises(WrongInput, match=r"^models.later, test split: "):
        danlu.run(path, later, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_refused_recipe_leaves_directories_unchanged(tmp_path, monkeypatch):
    """Regression: `machine.device=cuda` left a directory in which no other recipe could be run."""
    path, out = write_tiny_recipe(tmp_path), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("danlu.training.precision.AVAILABLE", {"cpu": lambda: True, "cuda": lambda: False})
        with pytest.raises(WrongInput, match=r"machine.device: this machine has no cuda"):
            danlu.run(path, ["machine.device=cuda"], out=out)
    with monkeypatch.context() as patch:
        patch.setattr("danlu.extras.importlib.util.find_spec", lambda name: None)
        with pytest.raises(WrongInput, match=r"the report needs matplotlib"):
            danlu.run(path, out=out)
    assert not out.exists()
    with pytest.raises(Stopped):
        danlu.run(path, out=out, stop=lambda: True)
    before = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    with pytest.raises(WrongInput, match="the recipe changed since"):
        danlu.run(path, ["models.small.training.seed=1"], out=out)
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == before
