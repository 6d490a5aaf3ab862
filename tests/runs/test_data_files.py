"""Runs on data other than text: a model without tokens is trained, evaluated, shown, saved and loaded, and refuses
text."""

from __future__ import annotations

import json

import numpy as np
import pytest

import danlu
from danlu.api.show import show
from danlu.architectures import build_network
from danlu.config.loading import parse_recipe
from danlu.config.schema import Recipe
from danlu.errors import Stopped, WrongInput
from danlu.registry import architectures, objectives

RECIPE = """\
corpus: {{source: builtin:digit_captions, validation: 0.2, test: 0.2}}
tokenizer: {{name: character}}
models:
  seen:
    objective: {objective}
    architecture: {{name: transformer, layers: 1, width: 16, heads: 2, context: 64, positions: learned}}
    training: {{budget: 4 steps, batch_tokens: 256, validations: 2, validation_tokens: 512}}
machine: {{dtype: float32, threads: 1}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("mine.npz", **{split: rng.random((12, 6, 3)) for split in ("train", "validation", "test")})
    return tmp_path


def recipe_of(objective, more="") -> Recipe:
    return parse_recipe(RECIPE.format(objective=objective) + more, "seen.yaml")


def test_a_model_without_tokens_runs_to_its_report_and_refuses_text(folder):
    printed = []
    results = danlu.run(recipe_of("{name: patches, data: mine.npz}"), out="run", say=printed.append)
    (entry,) = results["pretrain"]
    assert {"squared error, model", "squared error, linear"} <= entry["judged"]["figures"].keys()
    assert entry["bits_per_byte"] is None
    (line,) = [line for line in printed if "on test units: patch loss" in line]
    assert "nats" not in line
    json.loads((folder / "run/results.json").read_text(), parse_constant=pytest.fail)  # no NaN, for other JSON parsers
    page = (folder / "run/report.html").read_text()
    assert results["text_read"] is False
    assert "No model of this run reads text" in page
    assert page.count('<svg class="grey"') == len(entry["judged"]["pictures"])
    assert 'class="hidden"' in page
    (folder / "mine.npz").unlink()
    model = danlu.load("run")
    assert "token" not in model.network.embeddings
    for use in (
        lambda: model.generate("Iron"),
        lambda: model.fill("Iron ___"),
        lambda: model.embed(["Iron"]),
    ):
        with pytest.raises(WrongInput, match=r"^this model was trained by 'patches', which [^\n]*$"):
            use()


def test_arrays_that_changed_since_the_run_started_are_refused(folder):
    recipe, seen = recipe_of("{name: patches, data: mine.npz}"), []
    with pytest.raises(Stopped):
        danlu.run(recipe, out="run", watch=lambda record, plan: seen.append(record), stop=lambda: len(seen) >= 2)
    whole = (folder / "mine.npz").read_bytes()
    np.savez("mine.npz", **{split: np.eye(12 * 6, 3).reshape(12, 6, 3) for split in ("train", "validation", "test")})
    with pytest.raises(
        WrongInput, match=r"models.seen.objective reads changed since the run in run was started: mine.npz was "
    ):
        danlu.run(recipe, out="run")
    (folder / "mine.npz").write_bytes(whole)
    assert danlu.run(recipe, out="run")["pretrain"][0]["steps"] == 4


def test_images_and_captions_run_to_a_report_and_embed_text(folder):
    results = danlu.run(recipe_of("{name: image_text, max_tokens: 64}"), out="run")
    (entry,) = results["pretrain"]
    assert results["text_read"] is True
    assert "No model of this run reads text" not in (folder / "run/report.html").read_text()
    found = entry["judged"]["figures"]["found in group"]
    assert 0 <= found["low"] <= found["high"] <= 1
    assert [part["stream"] for part in entry["example"]] == ["text"]  # images have no tokens
    assert danlu.load("run").embed(["a three", "三"]).shape == (2, 16)


@pytest.mark.parametrize("objective", ["{name: patches, data: mine.npz}", "image_text"])
def test_show_reports_operations(folder, objective):
    facts = show(recipe_of(objective))
    assert facts["models"]["seen"]["operations"]["training_per_token"] > 0


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_of_images_only_has_no_vocabulary(tied):
    settings = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 16, "tied": tied}
    objective = objectives.validate("patches")
    few, many = (build_network(objective, architectures.validate(settings), size, seed=0) for size in (10, 1000))
    assert sum(p.numel() for p in few.parameters()) == sum(p.numel() for p in many.parameters())
    with pytest.raises(ValueError, match="has no token input"):
        few.token_logits(few.head.output.weight)


def test_a_text_task_is_refused_for_a_model_without_tokens(folder):
    task = "tasks: {topic: {model: seen, task: {name: classify, rows: builtin:pydocs_parts}}}\n"
    message = r"seen.yaml:9: tasks.topic.model: 'seen' is trained by patches, which reads no text; name one that does"
    with pytest.raises(WrongInput, match=message):
        recipe_of("{name: patches, data: mine.npz}", task)


def test_missing_data_is_reported_with_its_place(folder):
    with pytest.raises(WrongInput, match=r"seen.yaml:5: models.seen.objective: no file min.npz; did you mean 'mine"):
        recipe_of("{name: patches, data: min.npz}")


def test_similarity_pairs_are_refused_for_a_model_without_tokens(folder):
    pairs = "evaluation: {similarity: {sts: {rows: pairs.tsv}}}\n"
    message = (
        r"^seen.yaml:9: evaluation.similarity: 'seen' is trained by patches, which reads no text; leave similarity"
    )
    with pytest.raises(WrongInput, match=message):
        recipe_of("{name: patches, data: mine.npz}", pairs)


def test_a_teacher_without_tokens_is_refused(folder):
    second = [
        "models.second.objective={name: clusters, k: 5, teacher: seen, unit_tokens: 16}",
        "models.second.architecture={name: transformer, layers: 1, width: 16, heads: 2, context: 16}",
    ]
    message = r"models.second.objective.teacher: 'seen' is trained by patches, which reads no text; name one that does"
    with pytest.raises(WrongInput, match=message):
        parse_recipe(RECIPE.format(objective="{name: patches, data: mine.npz}"), "seen.yaml", second)
