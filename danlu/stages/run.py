"""The main job: raw text to pre-trained, fine-tuned and evaluated models and their report."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import danlu
from danlu.durable import read_json, write_json
from danlu.errors import WrongInput
from danlu.recipes.loading import load_recipe
from danlu.recipes.schema import Recipe
from danlu.report.page import write_report
from danlu.stages.evaluation import baselines, evaluate, say_outcome
from danlu.stages.exporting import export_model, say_export
from danlu.stages.finetuning import Finetuning, finetune, read_rows
from danlu.stages.preparation import prepare
from danlu.stages.pretraining import Pretraining, Watch
from danlu.stages.run_directory import RunDirectory
from danlu.training.budget import parse_budget
from danlu.training.precision import Machine, environment

Say = Callable[[str], None]


def quiet(_: str) -> None:
    return None


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str], budget: str | None) -> Recipe:
    """A recipe by name or file, with overrides and its time budgets scaled."""
    found = recipe if isinstance(recipe, Recipe) else load_recipe(str(recipe), overrides)
    if budget is None:
        return found
    try:
        amount = parse_budget(budget)
        if amount.unit != "seconds":
            raise ValueError(f"{budget!r} is not a time such as 4min")
        return found.with_time(amount.amount)
    except ValueError as error:
        raise WrongInput(f"--budget: {error}") from None


def run(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    budget: str | None = None,
    say: Say = quiet,
    watch: Watch = lambda record, plan: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Do a recipe from raw text to report, or go on where an earlier call with the same arguments was cut off.

    recipe: a file, a shipped name or a Recipe; overrides: `key.path=value`; out: the run directory (default
    runs/<name>); budget: time for all training together, such as "4min". Returns what results.json holds.
    Raises WrongInput for what the caller can mend and Stopped when `stop()` asked for it (saved, call again).
    """
    resolved = resolve(recipe, overrides, budget)
    name = "recipe" if isinstance(recipe, Recipe) else Path(recipe).stem
    directory = RunDirectory(Path(out) if out is not None else Path("runs") / name, resolved)
    try:
        again = command(given_as(recipe, directory.path), overrides, budget, directory.path)
        return work(directory, resolved, name, again, say, watch, stop)
    finally:
        directory.close()


def work(
    directory: RunDirectory,
    recipe: Recipe,
    name: str,
    again: str,
    say: Say,
    watch: Watch,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    began = directory.decide("started", lambda: {"time": now()})
    machine = Machine(**directory.decide("machine", lambda: recipe.machine.resolve().facts()))
    machine.apply()
    watch = followed(watch, recipe, directory.path)
    rows = {key: read_rows(key, task) for key, task in recipe.tasks.items()}
    for pairs in recipe.evaluation.similarity.values():
        pairs.read()  # a wrong table is told at once
    data, facts = prepare(directory, recipe, say)
    beside = directory.stage("baselines", lambda: baselines(data, recipe.evaluation))
    results = {
        "schema": 1,
        "version": danlu.__version__,
        "recipe": name,
        "command": again,
        "started": began["time"],
        "recipe_text": (directory.path / "recipe.yaml").read_text("utf-8"),
        **facts,
        "pretrain": [],
        "tasks": [],
        "exports": [],
        "environment": environment(machine),
    }
    trained: dict[str, tuple[Pretraining, dict[str, Any]]] = {}
    for key in recipe.models:
        earlier = {name: partial(one.trained, facts) for name, (one, facts) in trained.items()}
        job = Pretraining(directory, key, recipe.models[key], data, machine, watch, stop, earlier)
        trained[key] = pretrain(job, recipe, beside, results, say)
    for key, task in recipe.tasks.items():
        job, pretrained = trained[task.model]
        results["tasks"].append(finetune(Finetuning(job, pretrained, key, task, rows[key]), say))
    results["use"] = usage(directory.path, recipe)
    results["seconds"] = directory.seconds
    write_json(directory.path / "results.json", results)
    write_report(directory.path, recipe.language)
    return read_json(directory.path / "results.json")


def followed(watch: Watch, recipe: Recipe, path: Path) -> Watch:
    """`watch`, and the recipe's tracker told of every record too."""
    if recipe.track is None:
        return watch
    track = recipe.track.open(path)

    def both(record: dict[str, Any], plan: Any) -> None:
        track(record)
        watch(record, plan)

    return both


def pretrain(
    job: Pretraining, recipe: Recipe, beside: dict[str, dict[str, Any]], results: dict[str, Any], say: Say
) -> tuple[Pretraining, dict[str, Any]]:
    """Train, evaluate and export one model; its entries go into `results`."""
    stage = f"pretrain/{job.name}"
    facts = job.run.stage(stage, job.work)
    outcome = job.run.stage(f"evaluate/{job.name}", lambda: evaluate(job, facts, recipe.evaluation, beside))
    say_outcome(job.name, outcome, say)
    about = {
        "name": job.name,
        "objective": job.recipe.objective.name,
        "architecture": job.recipe.architecture.name,
    }
    results["pretrain"].append(about | facts | outcome)
    exported = job.run.stage(f"export/{job.name}", lambda: export_model(job, facts))
    say_export(job.name, exported, say)
    results["exports"].append(exported)
    return job, facts


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def given_as(recipe: str | Path | Recipe, folder: Path) -> str:
    """How a command names the recipe; one that was made in Python is the file in the run's own folder."""
    return str(folder / "recipe.yaml") if isinstance(recipe, Recipe) else str(recipe)


def command(given: str, overrides: Sequence[str], budget: str | None, out: Path) -> str:
    """The command line that repeats the run."""
    words = ["danlu", "run", given, *overrides, *(["--budget", budget] if budget else []), "--out", str(out)]
    return shlex.join(words)


def usage(path: Path, recipe: Recipe) -> dict[str, Any]:
    """How to use what the run made."""
    speaks = next((k for k, m in recipe.models.items() if m.objective.continues_text), None)
    folder = path / "model" / (speaks or next(iter(recipe.models)))
    if speaks is None:
        return {"shell": [], "python": f'import danlu\n\nmodel = danlu.load("{folder}")\n'}
    prompt = next(iter(recipe.models[speaks].prompts), "The")
    return {
        "shell": [f"danlu generate {folder} {prompt!r}"],
        "python": f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.generate({prompt!r}))\n',
    }
