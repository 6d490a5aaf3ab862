"""A whole run through `danlu.run`: its files, and that it resumes wherever it was stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.config.loading import load_recipe
from danlu.errors import Stopped, WrongInput
from danlu.runs import pretrain_model as pretraining
from danlu.training.journal import CLOCK_FIELDS

CLOCKS = CLOCK_FIELDS | {"started"}


def without_clocks(value):
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if k not in CLOCKS}
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def records(folder):
    return [without_clocks(json.loads(line)) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]


def weights(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_tiny_recipe(tmp_path_factory.mktemp("recipe"))


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """Return a function that enters a new working folder, so that runs of different tests can have the same --out."""

    def enter(name):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        return folder / "run"

    return enter


@pytest.fixture(scope="module")
def finished(recipe, tmp_path_factory):
    """An undisturbed run: (its folder, its results)."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("finished")
        patch.chdir(folder)
        return folder / "run", danlu.run(recipe, out="run")


def test_documented_files_exist(finished):
    folder, results = finished
    for name in ("recipe.yaml", "metrics.jsonl", "results.json", "report.html", "checkpoints/small", "model/small"):
        assert (folder / name).exists(), name
    assert json.loads((folder / "results.json").read_text()) == results
    assert not [p for p in folder.rglob("*") if p.name.endswith(".new")]


def test_documented_results_exist(finished):
    _, results = finished
    (entry,) = results["pretrain"]
    assert results["schema"] == 1
    assert {"objective", "architecture", "parameters", "tokens", "bits_per_byte", "baselines"} <= entry.keys()
    assert {"unigram", "ngram5", "zstd", "zstd_primed"} <= entry["baselines"].keys()
    assert results["tasks"] == []
    assert {"path", "class", "max_logit_difference"} <= results["exports"][0].keys()


def test_the_saved_recipe_reproduces_the_run(finished, inside, recipe):
    folder, results = finished
    again = inside("again")
    other = danlu.run(load_recipe(str(folder / "recipe.yaml")), out="run")
    assert weights(again) == weights(folder)
    assert other["pretrain"][0]["bits_per_byte"] == results["pretrain"][0]["bits_per_byte"]


def test_the_model_generates_text_reproducibly(finished):
    folder, _ = finished
    model = danlu.load(folder)
    made = model.generate("The furnace", tokens=5, seed=1)
    assert made.startswith("The furnace")
    assert made == danlu.load(folder / "model" / "small").generate("The furnace", tokens=5, seed=1)


def test_a_finished_run_is_not_repeated(finished, recipe, monkeypatch):
    folder, results = finished
    monkeypatch.chdir(folder.parent)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")}
    monkeypatch.setattr(pretraining, "train", lambda job: pytest.fail("trained again"))
    assert danlu.run(recipe, out="run") == results
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")} == before


@pytest.mark.parametrize("stop_at", [1, 4])
def test_a_stopped_run_resumes_bit_for_bit(finished, inside, recipe, stop_at):
    folder, results = finished
    stopped, seen = inside("stopped"), []
    watch = lambda record, plan: seen.append(record["step"])  # noqa: E731
    with pytest.raises(Stopped, match=f"stopped at step {stop_at} of 6 of pretrain/small, saved; run it again"):
        danlu.run(recipe, out="run", watch=watch, stop=lambda: seen[-1] == stop_at)
    assert without_clocks(danlu.run(recipe, out="run")) == without_clocks(results)
    assert records(stopped) == records(folder)
    finals = {k: v for k, v in weights(folder).items() if "00000006" in k or k.startswith("model")}
    assert finals
    assert finals.items() <= weights(stopped).items()


def test_a_time_budget_is_converted_to_steps_once(inside, recipe, monkeypatch):
    folder, seen = inside("timed"), []
    timed = ["models.small.training.budget=1s"]
    watch = lambda record, plan: seen.append(plan.steps)  # noqa: E731
    with pytest.raises(Stopped):
        danlu.run(recipe, timed, out="run", watch=watch, stop=lambda: True)
    plan = (folder / "stages/pretrain/small-plan.json").read_bytes()
    monkeypatch.setattr(pretraining, "make_plan", lambda *_: pytest.fail("planned again"))
    with pytest.raises(Stopped):
        danlu.run(recipe, timed, out="run", watch=watch, stop=lambda: True)
    assert (folder / "stages/pretrain/small-plan.json").read_bytes() == plan
    assert len(set(seen)) == 1


def test_a_budget_scales_the_recipe(recipe, inside):
    folder, seen = inside("scaled"), []
    timed = ["models.small.training.budget=10min"]
    with pytest.raises(Stopped):
        danlu.run(recipe, timed, out="run", budget="1s", watch=lambda r, p: seen.append(p.steps), stop=lambda: True)
    assert load_recipe(str(folder / "recipe.yaml")).models["small"].training.budget.amount == 1


@pytest.mark.parametrize(
    ("budget", "message"),
    [("3 steps", "'3 steps' is not a time such as 4min"), ("soon", "'soon' is not a budget"), ("1s", "no time budget")],
)
def test_an_invalid_budget_is_refused_before_anything_is_written(recipe, inside, budget, message):
    folder = inside("refused")
    with pytest.raises(WrongInput, match=f"--budget: .*{message}"):
        danlu.run(recipe, out="run", budget=budget)
    assert not folder.exists()


def test_a_damaged_checkpoint_is_skipped_with_a_warning(finished, inside, recipe):
    folder, results = finished
    damaged, seen, message = inside("damaged"), [], []
    watch = lambda record, plan: seen.append(record["step"])  # noqa: E731
    with pytest.raises(Stopped):
        danlu.run(recipe, out="run", watch=watch, stop=lambda: seen[-1] == 4)
    newest = sorted((damaged / "checkpoints/small").iterdir())[-1]
    (newest / "weights.safetensors").write_bytes(b"")
    found = danlu.run(recipe, out="run", watch=lambda record, plan: message.append(record))
    (warning,) = [r["message"] for r in message if r["kind"] == "warning"]
    assert warning.startswith("damaged checkpoint skipped: ")
    assert without_clocks(found) == without_clocks(results)
    assert records(damaged) == records(folder)
