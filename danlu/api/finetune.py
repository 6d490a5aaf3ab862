"""Fine-tuning a saved model on labelled rows, outside the run that trained it."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import danlu
from danlu.config.loading import override
from danlu.config.recipe_errors import explain
from danlu.config.schema import FinetuneRecipe, unfit
from danlu.durable import read_json, sha256, write_json
from danlu.errors import WrongInput
from danlu.interop import describe_model, read_model
from danlu.interop.model_folder import ModelFacts
from danlu.interop.model_loading import WEIGHTS
from danlu.report.page import write_report
from danlu.runs.directory import RunDirectory
from danlu.runs.finetune_task import Finetuning, Pretrained, bind_rows, finetune_task, read_rows
from danlu.runs.pretrain_model import Watch
from danlu.runs.run import Say, now, quiet
from danlu.runs.warm_start import modules
from danlu.tasks.rows import LabelledRows
from danlu.training.precision import environment, recorded

NAME = "labels"
"""What the one task is called."""

MOST_TOKENS = 128
"""Of a text, where nothing is said."""

TRAINING = {
    "budget": "60s",
    "batch_tokens": 1024,
    "validations": 1,
    "optimizer": {"name": "adamw", "learning_rate": 3e-4, "weight_decay": 0.01},
    "schedule": {"name": "linear", "warm_up": 0.1},
}
"""Between what suits a small model of danlu's (1e-3) and a large one of others (5e-5 and less)."""


def finetune(
    model: str | Path,
    train: str | Path,
    test: str | Path,
    text: str = "text",
    label: str = "label",
    labels_per_class: int | None = None,
    seeds: int = 5,
    budget: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    say: Say = quiet,
    watch: Watch = lambda record, plan: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Fine-tune the model in a folder to tell labels apart, beside the same model from random weights, TF-IDF with
    logistic regression and the most frequent label; or go on where an earlier call was cut off.

    train, test: tables (.tsv, .csv) with the columns `text` and `label`; labels_per_class: rows drawn for each class
    and seed (None: all of them); budget: for all trainings together; out: the directory (runs/<folder>-labels);
    overrides: `key.path=value`, such as `training.optimizer.learning_rate=1e-4` or `task.max_tokens=64`. Returns what
    results.json holds; the model of the first seed is in OUT/tasks/labels/model.
    """
    folder = Path(model).expanduser()
    facts, _ = describe_model(folder)
    told: dict[str, Any] = {
        "model": str(model),
        "task": {
            "name": "classify",
            "rows": {"train": str(train), "test": str(test), "text": text, "label": label},
            "labels_per_class": labels_per_class,
            "max_tokens": min(MOST_TOKENS, facts.architecture.context),
        },
        "seeds": seeds,
        "training": copy.deepcopy(TRAINING) | ({"budget": budget} if budget else {}),
    }
    recipe = resolved(told, overrides, facts)
    rows = read_rows(NAME, recipe)  # before there is a directory, which a wrong table would bind to its recipe
    directory = RunDirectory(directory_of(model, out), recipe)
    try:
        again = command(recipe, overrides, directory.path)
        return work(directory, recipe, rows, folder, facts, again, say, watch, stop)
    finally:
        directory.close()


def directory_of(model: str | Path, out: str | Path | None) -> Path:
    """Where the results go."""
    return Path(out) if out else Path("runs") / f"{Path(model).expanduser().resolve().name}-{NAME}"


def resolved(told: dict[str, Any], overrides: Sequence[str], facts: ModelFacts) -> FinetuneRecipe:
    """The settings, checked against the model."""
    keys = [override(told, assignment) for assignment in overrides]
    try:
        recipe = FinetuneRecipe.model_validate(told)
    except ValidationError as error:
        raise WrongInput(explain(error, None, told, "finetune", keys)) from None
    if found := unfit(recipe, "the model", facts.objective, facts.architecture):
        raise WrongInput(f"{'.'.join(found.place)}: {found.sentence}")
    return recipe


def work(
    directory: RunDirectory,
    recipe: FinetuneRecipe,
    rows: LabelledRows,
    folder: Path,
    facts: ModelFacts,
    again: str,
    say: Say,
    watch: Watch,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    began = directory.record_once("started", lambda: {"time": now()})
    machine = recorded(directory.record_once("machine", lambda: recipe.machine.resolve().facts()))
    machine.apply()
    saved = read_model(folder)
    weights = sha256(folder / WEIGHTS)
    directory.pin("model", {"sha256": weights}, f"the model {folder}")
    bind_rows(directory, NAME, rows)
    say(f"model      {folder}: {facts.objective.name} on {facts.architecture.name}, weights {weights[:12]}")
    if saved.ignored:
        say(f"           ignored weights of the folder: {', '.join(modules(list(saved.ignored)))}")
    say(f"rows       {len(rows.train):,} to train on, {len(rows.test):,} to test on, {len(rows.classes)} classes")
    model = Pretrained(
        facts.objective, facts.architecture, saved.tokenizer, facts.vocabulary.size, None, lambda: saved.network
    )
    entry = finetune_task(Finetuning(directory, machine, watch, stop, model, NAME, recipe, rows), say)
    results = {
        "schema": 1,
        "version": danlu.__version__,
        "recipe": f"fine-tuning of {folder}",
        "command": again,
        "started": began["time"],
        "recipe_text": (directory.path / "recipe.yaml").read_text("utf-8"),
        "pretrain": [],
        "tasks": [entry],
        "exports": [],
        "environment": environment(machine),
        "use": usage(directory.path / entry["path"]),
        "seconds": directory.seconds,
    }
    write_json(directory.path / "results.json", results)
    write_report(directory.path, recipe.language)
    return read_json(directory.path / "results.json")


def command(recipe: FinetuneRecipe, overrides: Sequence[str], out: Path) -> str:
    """The command line that repeats it."""
    rows, per_class = recipe.task.rows, recipe.task.labels_per_class
    options = {
        "--train": rows.train, "--test": rows.test, "--text": rows.text, "--label": rows.label,
        "--labels-per-class": per_class, "--seeds": recipe.seeds, "--budget": recipe.training.budget, "--out": out,
    }  # fmt: skip
    words = [str(word) for option, value in options.items() if value is not None for word in (option, value)]
    return shlex.join(["danlu", "finetune", recipe.model, *overrides, *words])


def usage(folder: Path) -> dict[str, Any]:
    return {
        "shell": [f"danlu classify {folder} 'a text'"],
        "python": f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.classify(["a text"]))\n',
    }
