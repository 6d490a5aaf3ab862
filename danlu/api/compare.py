"""`danlu compare`: the trainings of several recipes in one run, and what they came to side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.config.comparison import Comparison, compared, differing
from danlu.config.loading import load_recipe
from danlu.durable import write_json
from danlu.errors import WrongInput
from danlu.evaluation.paired_comparison import Measured, bits_of, differences, loss_of, score_of
from danlu.report.comparison import write_comparison
from danlu.runs.finetune_task import interval_facts
from danlu.runs.pretrain_model import Watch
from danlu.runs.run import Say, quiet, run
from danlu.training.budget import parse_budget


def compare(
    recipes: Sequence[str],
    budget: str,
    seeds: int = 3,
    task: str | None = None,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    say: Say = quiet,
    watch: Watch = lambda record, plan: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Train every model of the recipes (files or shipped names) `seeds` times for `budget` each ("500k tokens", "4min",
    "20T flops"), on one corpus with one tokenizer, fine-tune all for one task, and put the figures side by side.

    Returns what `comparison.json` in the run directory (default runs/compare) holds; `comparison.html` beside it shows
    it. The same call goes on where an earlier one was cut off. WrongInput for recipes that cannot be compared.
    """
    try:
        amount = parse_budget(budget)
    except ValueError as error:
        raise WrongInput(f"budget: {error}") from None
    found = {Path(name).stem: load_recipe(name, overrides) for name in recipes}
    if len(found) < len(recipes):
        raise WrongInput("two of the recipes have the same name; copy one under another name")
    comparison = compared(found, amount, seeds, task)
    folder = Path(out) if out is not None else Path("runs") / "compare"
    results = run(comparison.recipe, out=folder, say=say, watch=watch, stop=stop)
    made = side_by_side(comparison, results) | {"budget": str(amount)}
    write_json(folder / "comparison.json", made)
    write_comparison(folder, comparison.recipe.language)
    return made


def side_by_side(comparison: Comparison, results: dict[str, Any]) -> dict[str, Any]:
    """The figures of every name, from results.json."""
    trained = {entry["name"]: entry for entry in results["pretrain"]}
    tuned = {entry["name"]: entry for entry in results["tasks"]}
    entries = {name: [trained[member] for member in comparison.members(name)] for name in comparison.names}
    tasks = {
        name: [tuned[comparison.fine_tuned(member)] for member in comparison.members(name)] if comparison.task else []
        for name in comparison.names
    }
    bits = {name: bits_of(own) for name, own in entries.items()}
    loss = {name: loss_of(own) for name, own in entries.items()}
    ours = {name: score_of(own, "ours") for name, own in tasks.items()}
    blank = {name: score_of(own, "random_weights") for name, own in tasks.items()}
    apart = {"bits_per_byte": differences(bits), "task": differences(ours)}
    settings = differing({name: comparison.recipe.models[comparison.members(name)[0]] for name in comparison.names})
    models = [
        {
            "name": name,
            **{key: own[0][key] for key in ("objective", "architecture", "parameters")},
            **{key: sum(entry[key] for entry in own) / len(own) for key in ("tokens", "seconds", "operations")},
            "bits_per_byte": told(bits[name]),
            "text_lost": own[0]["text_lost"],
            "loss": told(loss[name]),
            "task": told(ours[name]),
            "random_weights": told(blank[name]),
            "pretraining_gain": gain(ours[name], blank[name]),
            "differences": {figure: of_figure[name] for figure, of_figure in apart.items()},
            "task_steps": [entry["steps"] for entry in tasks[name]],
            "settings": settings[name],
        }
        for name, own in entries.items()
    ]
    return {
        "schema": 1,
        "seeds": comparison.seeds,
        "corpus": results["corpus"]["source"],
        "models": models,
        "baselines": next((entry["baselines"] for entry in results["pretrain"] if entry["baselines"]), None),
        "task": task_of_all(comparison, tasks[comparison.names[0]]),
    }


def task_of_all(comparison: Comparison, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What is the same for all models, from the entries of one: its controls over all samples of labels."""
    if not entries:
        return None
    first = entries[0]
    names = first["baselines"]
    drawn = {name: [score for entry in entries for score in entry["scores"][name]["seeds"]] for name in names}
    return {
        "name": comparison.task,
        **{key: first.get(key) for key in ("metric", "labels", "train_rows", "test_rows")},
        "draws": len(first["scores"]["ours"]["seeds"]),
        "controls": {name: interval_facts(scores, first["bounds"]) for name, scores in drawn.items()},
    }


def told(measured: Measured | None) -> dict[str, Any] | None:
    return None if measured is None else measured.json()


def gain(ours: Measured | None, blank: Measured | None) -> dict[str, Any] | None:
    """What pre-training added, paired by seed."""
    if ours is None or blank is None:
        return None
    found = ours.minus(blank)
    return {"mean": found.mean, "low": found.low, "high": found.high, "over": ours.over}
