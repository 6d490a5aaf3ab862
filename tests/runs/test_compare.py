"""Comparison of several recipes through the public API."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.api.compare import ModelTrainings
from danlu.config.comparison import build_comparison
from danlu.config.loading import dump_recipe, load_recipe, parse_recipe, shipped_recipes
from danlu.durable import read_json
from danlu.errors import WrongInput
from danlu.evaluation.paired_comparison import Measurement, paired_differences
from danlu.results import ModelResult
from danlu.training.budget import Budget

TASK = """\
tasks:
  place:
    model: small
    task:
      {{name: classify, rows: {{train: {rows}/train.tsv, test: {rows}/test.tsv}}, labels_per_class: 2, max_tokens: 12}}
    training: {{budget: 2 steps, batch_tokens: 64, validations: 1}}
    seeds: 2
"""


@pytest.fixture
def recipes(tmp_path):
    """`tiny.yaml`, causal, and `both.yaml`, the same with the masked objective; with a task."""
    tiny = write_tiny_recipe(tmp_path)
    for split in ("train", "test"):
        lines = [f"{split} number {i} of the {kind}\t{kind}" for kind in ("river", "mill") for i in range(6)]
        (tmp_path / f"{split}.tsv").write_text("\n".join(["text\tlabel", *lines]), "utf-8")
    text = Path(tiny).read_text("utf-8") + TASK.format(rows=tmp_path)
    (tmp_path / "tiny.yaml").write_text(text, "utf-8")
    (tmp_path / "both.yaml").write_text(text.replace("objective: causal", "objective: masked"), "utf-8")
    return [str(tmp_path / "tiny.yaml"), str(tmp_path / "both.yaml")]


def test_models_of_several_recipes_are_compared(recipes, tmp_path):
    out = tmp_path / "out"
    made = danlu.compare(recipes, "200 tokens", seeds=2, out=out)
    causal, masked = made["models"]
    assert [causal["name"], masked["name"]] == ["tiny", "both"]
    assert causal["operations"] > 0
    assert causal["tokens"] == pytest.approx(256, abs=70)
    results = read_json(out / "results.json")
    own = [entry["bits_per_byte"] for entry in results["pretrain"] if entry["objective"] == "causal"]
    assert causal["bits_per_byte"]["seeds"] == own
    assert len(set(own)) == 2, "every training has its own seed"
    assert causal["bits_per_byte"]["mean"] == pytest.approx(np.mean(own))
    assert masked["bits_per_byte"] is None
    assert masked["differences"]["task"]["from"] == "tiny"
    assert made["task"]["name"] == "place"
    scores = {entry["name"]: entry["scores"]["ours"]["mean"] for entry in results["tasks"]}
    assert masked["task"]["seeds"] == pytest.approx([scores["place-both-0"], scores["place-both-1"]])
    assert read_json(out / "comparison.json") == json.loads(json.dumps(made))
    page = (out / "comparison.html").read_text("utf-8")
    for line in ("tiny", "both", "Comparison", "模型比较", "TF-IDF", "200 tokens", "No bits per byte for both:"):
        assert line in page


def test_with_one_seed_intervals_are_over_documents_and_draws(recipes, tmp_path):
    made = danlu.compare(recipes, "2 steps", seeds=1, overrides=["models.small.objective=causal"], out=tmp_path / "out")
    first, second = made["models"]
    assert first["bits_per_byte"]["over"] == "documents"
    difference = second["differences"]["bits_per_byte"]
    assert (difference["mean"], difference["low"]) == (0, None), "the same training twice"
    assert first["task"]["over"] == "fine-tuning seeds"


def test_fine_tunings_of_different_trainings_have_different_seeds(recipes):
    """Regression: all trainings used the same seeds, so that three random-weight controls were one, with an
    interval."""
    found = {Path(name).stem: load_recipe(name) for name in recipes}
    tasks = build_comparison(found, Budget(2, "steps"), 3).recipe.tasks
    drawn = {name: range(task.first_seed, task.first_seed + task.seeds) for name, task in tasks.items()}
    assert [list(drawn[f"place-tiny-{seed}"]) for seed in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert all(drawn[f"place-both-{seed}"] == drawn[f"place-tiny-{seed}"] for seed in range(3))


def test_differing_settings_and_steps_are_reported(recipes, tmp_path):
    text = Path(recipes[1]).read_text("utf-8")
    Path(recipes[1]).write_text(text.replace("training: {", "training: {patience: 3, ", 1), "utf-8")
    made = danlu.compare(recipes, "2 steps", seeds=1, out=tmp_path / "out")
    assert [model["settings"] for model in made["models"]] == [{"training.patience": None}, {"training.patience": 3}]
    assert [model["task_steps"] for model in made["models"]] == [[2], [2]]
    page = (tmp_path / "out" / "comparison.html").read_text("utf-8")
    table, steps = "<code>training.patience</code>", "Each fine-tuning run had 2 steps."
    for line in ("Settings that differ", table, steps, " intervals of differences at the 95 % level"):
        assert line in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"changed": True}, "both and tiny have different settings in tokenizer"),
        (
            {"replacement": ("seeds: 2", "seeds: 3")},
            "both has different settings for task 'place'; make them equal, or choose",
        ),
        (
            {"replacement": ("tasks:", "evaluation: {ngram: 3}\ntasks:")},
            "both and tiny have different settings in evaluation; .* evaluation.ngram=5",
        ),
        ({"task": "plase"}, "the recipes have no task 'plase'; did you mean 'place'"),
        ({"budget": "soon"}, "budget: 'soon' is not a budget"),
        ({"alone": True}, "has only one model; name another recipe"),
        ({"twice": True}, "two of the recipes have the same name"),
    ],
)
def test_incomparable_recipes_are_refused_before_any_work(recipes, tmp_path, words, message):
    if words.pop("changed", False):
        Path(recipes[1]).write_text(Path(recipes[1]).read_text("utf-8").replace("size: 300", "size: 290"), "utf-8")
    if replacement := words.pop("replacement", None):
        Path(recipes[1]).write_text(Path(recipes[1]).read_text("utf-8").replace(*replacement), "utf-8")
    given = recipes[:1] if words.pop("alone", False) else recipes[:1] * 2 if words.pop("twice", False) else recipes
    with pytest.raises(WrongInput, match=message):
        danlu.compare(given, words.pop("budget", "2 steps"), seeds=1, out=tmp_path / "out", **words)
    assert not (tmp_path / "out").exists()


def test_a_task_on_a_model_without_text_is_refused_before_any_work(recipes, tmp_path):
    text = Path(recipes[0]).read_text("utf-8").partition("tasks:")[0]
    (tmp_path / "images.yaml").write_text(text.replace("objective: causal", "objective: patches"), "utf-8")
    given = [recipes[0], str(tmp_path / "images.yaml")]
    with pytest.raises(WrongInput, match=r"tasks.place.model: 'images' is trained by patches, which reads no") as error:
        danlu.compare(given, "2 steps", seeds=1, out=tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()
    without = build_comparison(
        {Path(name).stem: load_recipe(name, ["tasks={}"]) for name in given}, Budget(2, "steps"), 1
    )
    assert without.task is None


def test_a_task_longer_than_the_context_is_refused(recipes, tmp_path):
    text = Path(recipes[0]).read_text("utf-8").partition("tasks:")[0]
    (tmp_path / "short.yaml").write_text(text.replace("context: 16", "context: 8"), "utf-8")
    with pytest.raises(
        WrongInput, match=r"tasks.place.task.max_tokens: 12 exceeds the context of 'short'; lower it to at most 8"
    ):
        danlu.compare([recipes[0], str(tmp_path / "short.yaml")], "2 steps", seeds=1, out=tmp_path / "out")


ROUNDS = [
    "models.small.objective={name: clusters, k: 4, unit_tokens: 16}",
    "models.again.objective={name: clusters, k: 4, unit_tokens: 16, teacher: small}",
    "models.again.architecture={name: transformer, layers: 1, width: 16, heads: 2, context: 16}",
    "models.again.training={budget: 2 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}",
    "models.again.embeddings=small",
    "models.small.prompts=[]",
    "tasks={}",
]


def test_references_between_models_stay_within_a_seed(recipes):
    """Regression: models are renamed in a comparison, and references to them were refused after training."""
    rounds = load_recipe(recipes[0], ROUNDS)
    made = build_comparison({"tiny": rounds, "other": rounds}, Budget(2, "steps"), 2).recipe
    assert list(made.models)[:4] == ["tiny-small-0", "tiny-small-1", "tiny-again-0", "tiny-again-1"]
    for seed in range(2):
        again = made.models[f"tiny-again-{seed}"]
        assert again.objective.teacher == again.embeddings == f"tiny-small-{seed}"
    assert made.models["tiny-small-0"].objective.teacher is None


def test_a_corpus_of_several_sources_is_shown_completely(recipes, tmp_path):
    """Regression: after training, the page refused results.json, since a list of sources is not a line of text."""
    text = tmp_path / "text.txt"
    (tmp_path / "more.txt").write_text(text.read_text("utf-8").replace("furnace", "kiln"), "utf-8")
    sources = f"corpus.source=[{text}, {tmp_path / 'more.txt'}]"
    made = danlu.compare(recipes, "2 steps", seeds=1, overrides=[sources, "tasks={}"], out=tmp_path / "out")
    assert made["corpus"] == f"{text}, {tmp_path / 'more.txt'}"
    for page in ("report.html", "comparison.html"):
        assert "more.txt" in (tmp_path / "out" / page).read_text("utf-8")


def test_models_of_one_recipe_keep_their_names(recipes):
    made = build_comparison({"tiny": load_recipe(recipes[0], ROUNDS)}, Budget(2, "steps"), 1)
    assert made.names == ("small", "again")
    assert made.recipe.models["again-0"].embeddings == "small-0"


def test_embeddings_from_a_folder_are_kept(recipes, tmp_path):
    found = {Path(name).stem: load_recipe(name, [f"models.small.embeddings={tmp_path}"]) for name in recipes}
    assert {m.embeddings for m in build_comparison(found, Budget(2, "steps"), 1).recipe.models.values()} == {
        str(tmp_path)
    }


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if i % 4 else ()) for i, name in enumerate(shipped_recipes())]
)
def test_every_shipped_recipe_can_be_compared(name):
    recipe = load_recipe(name)
    made = build_comparison({name: recipe, "other": recipe}, Budget(2, "steps"), 2).recipe
    assert parse_recipe(dump_recipe(made), "the comparison") == made
    assert len(made.models) == 4 * len(recipe.models)


@pytest.mark.slow
def test_rounds_of_clusters_are_compared(recipes, tmp_path):
    pytest.importorskip("sklearn")
    made = danlu.compare(recipes[:1], "2 steps", seeds=2, overrides=ROUNDS, out=tmp_path / "out")
    assert [model["name"] for model in made["models"]] == ["small", "again"]


def test_colliding_model_names_are_refused(recipes):
    one, both = load_recipe(recipes[1]), load_recipe(recipes[0], ["tasks={}", *ROUNDS])
    with pytest.raises(WrongInput, match="two models of tiny, tiny-again would have the same name"):
        build_comparison({"tiny": both, "tiny-again": one}, Budget(2, "steps"), 1)


def test_paired_differences_cancel_shared_variation():
    a, b = Measurement((1.0, 2.0, 3.0)), Measurement((1.5, 2.5, 3.6))
    found = paired_differences({"a": a, "none": None, "b": b})
    assert found["a"] is None
    assert found["none"] is None
    assert found["b"] is not None
    assert (found["b"]["from"], found["b"]["over"]) == ("a", "trainings")
    assert found["b"]["high"] - found["b"]["low"] < 0.3


def test_missing_figures_stay_missing():
    unmeasured = ModelTrainings([ModelResult(name="m", objective="masked", bits_per_byte=None)], [])
    assert unmeasured.bits_per_byte is None
    assert unmeasured.score("ours") is None
    assert Measurement((2.0,)).json() == {"mean": 2.0, "low": None, "high": None, "seeds": [2.0], "over": "trainings"}
