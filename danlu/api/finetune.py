"""Fine-tune a saved model for a task, outside the run that trained it."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import danlu
from danlu.config.loading import override
from danlu.config.recipe_errors import explain
from danlu.config.schema import FinetuneRecipe
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.durable import sha256
from danlu.errors import WrongInput
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

TRAINING = {
    "budget": "60s",
    "batch_tokens": 1024,
    "optimizer": {"name": "adamw", "learning_rate": 3e-4, "weight_decay": 0.01},
    "schedule": {"name": "linear", "warm_up": 0.1},
}
"""Between what suits a small model of danlu (1e-3) and a large published one (5e-5 or less)."""


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
    """Fine-tune the model in a folder for a task, and compare it with the same architecture with random weights and
    with the baselines of the task. An interrupted call resumes when it is repeated.

    Args:
        model: the folder of the model, danlu's own or a Hugging Face one.
        train: table (.tsv or .csv) of the rows to train on.
        test: table of the rows to test on.
        dev: table of the rows on which the learning rate and the number of steps are chosen.
        split: fraction of the rows of `train` to test on, instead of `test`.
        task: the kind of the task.
        seeds: number of trainings, each with its own sample of rows, order and new weights.
        budget: for all trainings together, such as "2min"; or, for each, "30 steps".
        out: the directory to write (default: runs/<folder>-<task>).
        overrides: `key.path=value`, such as `training.optimizer.learning_rate=1e-4` or `task.max_tokens=64`.
        say, watch, stop: as in `danlu.run`.
        **settings: settings of the task (`labels_per_class`) and the columns of its tables (`text`, `label`, `group`).

    Returns:
        The content of results.json. The model of the first seed is in OUT/tasks/<task>/model.
    """
    folder = Path(model).expanduser()
    facts, _ = describe_model(folder)
    files = {"train": train, "test": test, "dev": dev, "split": split}
    given = {
        "model": str(model),
        "task": draft(kind_of(task), files | settings, facts.architecture.context),
        "seeds": seeds,
        "training": training(budget, has_dev=dev is not None),
    }
    recipe = resolved(given, overrides, facts)
    name = run_name(task)
    path = directory_of(model, out, task)
    require_report()
    rows = read_rows(name, recipe)
    machine = machine_of(path, recipe.machine)
    with RunDirectory(path, recipe) as directory:
        options = files | settings | {"seeds": seeds, "budget": recipe.training.budget, "out": path}
        options |= {} if task == DEFAULT else {"task": task}
        again = command(str(model), overrides, options)
        return work(directory, recipe, name, rows, folder, facts, again, machine, reporter(say, watch, quiet), stop)


def training(budget: str | None, has_dev: bool) -> dict[str, Any]:
    """Return the settings of training. With dev rows the number of validations is left to the run: one an epoch."""
    return copy.deepcopy(TRAINING) | ({} if has_dev else {"validations": 1}) | ({"budget": budget} if budget else {})


def kind_of(task: str) -> type[Task]:
    """Return the class of a registered task."""
    return tasks[task]  # type: ignore[return-value]


def run_name(task: str) -> str:
    """Return what the task is called in the directory of `danlu finetune`."""
    return kind_of(task).run_name or task


def directory_of(model: str | Path, out: str | Path | None, task: str = DEFAULT) -> Path:
    """Return the directory of the results."""
    return Path(out) if out else Path("runs") / f"{Path(model).expanduser().resolve().name}-{run_name(task)}"


def draft(kind: type[Task], given: Mapping[str, Any], context: int) -> dict[str, Any]:
    """Return the settings of the task: what is no setting of the task itself describes its rows."""
    present = {key: str(value) if isinstance(value, Path) else value for key, value in given.items()}
    own = {key: value for key, value in present.items() if key in kind.model_fields}
    rows = {key: value for key, value in present.items() if key not in own and value is not None}
    return kind.draft(rows, own, context)


def resolved(given: dict[str, Any], overrides: Sequence[str], facts: ModelFacts) -> FinetuneRecipe:
    """Return the settings, checked against the model."""
    keys = [override(given, assignment) for assignment in overrides]
    try:
        recipe = FinetuneRecipe.model_validate(given)
    except ValidationError as error:
        raise WrongInput(explain(error, None, given, "finetune", keys)) from None
    if found := recipe.task.check(facts.objective, facts.architecture, "the model"):
        raise WrongInput(f"{'.'.join(found.place)}: {found.sentence}")
    return recipe


def work(
    directory: RunDirectory,
    recipe: FinetuneRecipe,
    name: str,
    rows: TaskRows,
    folder: Path,
    facts: ModelFacts,
    again: str,
    machine: Machine,
    emit: Emit,
    stop: Callable[[], bool],
) -> dict[str, Any]:
    """Fine-tune, and write results and report."""
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
        command=again,
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


def command(model: str, overrides: Sequence[str], options: Mapping[str, Any]) -> str:
    """Return the command line that repeats the call."""
    words = [
        word
        for option, value in options.items()
        if value is not None
        for word in (f"--{option.replace('_', '-')}", str(value))
    ]
    return shlex.join(["danlu", "finetune", model, *overrides, *words])
