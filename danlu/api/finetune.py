"""`danlu.finetune`: fine-tune a saved model for a task."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import danlu
from danlu.api.model_folders import FINETUNE, choose_model, is_model
from danlu.config.loading import apply_override
from danlu.config.recipe_errors import format_errors
from danlu.config.schema import FinetuneRecipe
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.durable import sha256
from danlu.errors import WrongInput, refuse_url
from danlu.interop import describe_model, read_model
from danlu.interop.model_folder import ModelFacts
from danlu.interop.model_loading import WEIGHTS
from danlu.registry import tasks
from danlu.report.page import write_report
from danlu.results import SCHEMA, Results, TaskResult, UsageExamples, write_results
from danlu.runs.collect_results import now
from danlu.runs.directory import RunDirectory
from danlu.runs.events import Emit, FineTuningStarted, WeightsIgnored, never
from danlu.runs.finetune_task import Finetuning, Pretrained, finetune_task, pin_rows, read_rows
from danlu.runs.preflight import machine_of, require_report
from danlu.runs.warm_start import modules
from danlu.tasks import DEFAULT
from danlu.tasks.task import Task, TaskRows
from danlu.training.precision import Machine, environment

DEFAULT_TRAINING = {
    "budget": "60s",
    "batch_tokens": 1024,
    "optimizer": {"name": "adamw", "learning_rate": 3e-4, "weight_decay": 0.01},
    "schedule": {"name": "linear", "warm_up": 0.1},
}
"""Settings of training unless overridden. The learning rate lies between those for small models of danlu (1e-3) and
large published ones (at most 5e-5)."""


def finetune(
    model: str | Path,
    train: str | Path,
    test: str | Path | None = None,
    dev: str | Path | None = None,
    split: float | None = None,
    task: str = DEFAULT,
    seeds: int = 5,
    budget: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    say: Say | None = print_line,
    watch: Watch | None = None,
    stop: Callable[[], bool] = never,
    quiet: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Fine-tune a saved model for a task, and compare it with random weights and the baselines of the task.

    The same call resumes a fine-tuning that was interrupted.

    Args:
        model: the folder of the model, danlu's own or a Hugging Face one, or a run directory, of which the first
            encoder is fine-tuned.
        train: table (.tsv, .csv or .jsonl) of the training rows.
        test: table of the test rows.
        dev: table of the rows by which the learning rate and the number of steps are chosen.
        split: fraction of the rows of `train` to test on, instead of `test`.
        task: name of the task.
        seeds: number of trainings, each with its own sample of rows, order of rows and new weights.
        budget: time for all trainings together, such as "2min", or steps of each, such as "30 steps".
        out: the directory of the results (default: runs/<folder>-<task>).
        overrides: `key.path=value`, such as `training.optimizer.learning_rate=1e-4` or `task.max_tokens=64`.
        say, watch, stop: as in `danlu.run`.
        **settings: settings of the task (`labels_per_class`) and the columns of its tables (`text`, `label`, `group`).

    Returns:
        The content of results.json. The model of the first seed is in OUT/tasks/<task>/model.
    """
    for option, name in {"--train": train, "--test": test, "--dev": dev}.items():
        refuse_url(str(name), option)
    folder = choose_model(model, FINETUNE, None if quiet else say)
    facts, _ = describe_model(folder)
    files = {"train": train, "test": test, "dev": dev, "split": split}
    recipe_data = {
        "model": str(model) if is_model(Path(model).expanduser()) else str(folder),
        "task": draft_task(task_class(task), files | settings, facts.architecture.context),
        "seeds": seeds,
        "training": training_settings(budget, has_dev=dev is not None),
    }
    recipe = validate_recipe(recipe_data, overrides, facts)
    name = run_name(task)
    path = results_directory(model, out, task)
    require_report()
    rows = read_rows(name, recipe)
    machine = machine_of(path, recipe.machine)
    with RunDirectory(path, recipe) as directory:
        options = files | settings | {"seeds": seeds, "budget": recipe.training.budget, "out": path}
        options |= {} if task == DEFAULT else {"task": task}
        command = command_line(str(model), overrides, options)
        return finetune_in(
            directory, recipe, name, rows, folder, facts, command, machine, reporter(say, watch, quiet), stop
        )


def training_settings(budget: str | None, has_dev: bool) -> dict[str, Any]:
    """Return the settings of training. With dev rows there is a validation after each epoch, otherwise a single one."""
    return (
        copy.deepcopy(DEFAULT_TRAINING)
        | ({} if has_dev else {"validations": 1})
        | ({"budget": budget} if budget else {})
    )


def task_class(task: str) -> type[Task]:
    """Return the class of a registered task."""
    return tasks[task]  # type: ignore[return-value]


def run_name(task: str) -> str:
    """Return the name of the task in the results directory."""
    return task_class(task).run_name or task


def results_directory(model: str | Path, out: str | Path | None, task: str = DEFAULT) -> Path:
    """Return the directory of the results."""
    return Path(out) if out else Path("runs") / f"{Path(model).expanduser().resolve().name}-{run_name(task)}"


def draft_task(kind: type[Task], given: Mapping[str, Any], context: int) -> dict[str, Any]:
    """Return the settings of the task; values in `given` that are not settings of the task describe its rows."""
    values = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
    settings = {key: value for key, value in values.items() if key in kind.model_fields}
    rows = {key: value for key, value in values.items() if key not in settings and value is not None}
    return kind.draft(rows, settings, context)


def validate_recipe(data: dict[str, Any], overrides: Sequence[str], facts: ModelFacts) -> FinetuneRecipe:
    """Return the settings with overrides, checked against the model."""
    keys = [apply_override(data, assignment) for assignment in overrides]
    try:
        recipe = FinetuneRecipe.model_validate(data)
    except ValidationError as error:
        raise WrongInput(format_errors(error, None, data, "finetune", keys)) from None
    if problem := recipe.task.check(facts.objective, facts.architecture, "the model"):
        raise WrongInput(f"{'.'.join(problem.place)}: {problem.sentence}")
    return recipe


def finetune_in(
    directory: RunDirectory,
    recipe: FinetuneRecipe,
    name: str,
    rows: TaskRows,
    folder: Path,
    facts: ModelFacts,
    command: str,
    machine: Machine,
    emit: Emit,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Fine-tune in an open run directory, and write results and report."""
    started = directory.record_once("started", lambda: {"time": now()})["time"]
    directory.record_once("machine", machine.facts)
    machine.apply()
    saved = read_model(folder)
    weights = sha256(folder / WEIGHTS)
    directory.pin("model", {"sha256": weights}, f"the model {folder}")
    pin_rows(directory, name, rows)
    emit(FineTuningStarted(str(folder), facts.objective.name, facts.architecture.name, weights, rows.describe()))
    if saved.ignored:
        emit(WeightsIgnored(modules(list(saved.ignored))))
    model = Pretrained(
        facts.objective, facts.architecture, saved.tokenizer, facts.vocabulary.size, None, lambda: saved.network
    )
    entry = finetune_task(Finetuning(directory, machine, emit, stop, model, name, recipe, rows))
    results = Results(
        schema_version=SCHEMA,
        version=danlu.__version__,
        recipe=f"fine-tuning of {folder}",
        command=command,
        started=datetime.fromisoformat(started),
        recipe_text=(directory.path / "recipe.yaml").read_text("utf-8"),
        pretrain=[],
        tasks=[TaskResult.model_validate(entry)],
        exports=[],
        environment=environment(machine),
        use=UsageExamples.model_validate(recipe.task.usage(str(directory.path / entry["path"]))),
        seconds=directory.seconds,
    )
    written = write_results(directory.path / "results.json", results)
    write_report(directory.path, recipe.language)
    return written


def command_line(model: str, overrides: Sequence[str], options: Mapping[str, Any]) -> str:
    """Return the command line that repeats the call."""
    words = [
        word
        for option, value in options.items()
        if value is not None
        for word in (f"--{option.replace('_', '-')}", str(value))
    ]
    return shlex.join(["danlu", "finetune", model, *overrides, *words])
