"""Preflight checks: reject invalid input before training, and where possible before the run directory exists."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.config.schema import MachineSettings, Recipe
from danlu.durable import read_json
from danlu.extras import require
from danlu.runs.directory import is_finished, stage_file
from danlu.runs.export_model import require_transformers
from danlu.runs.finetune_task import read_rows
from danlu.runs.pretrain_model import Pretraining
from danlu.runs.warm_start import inspect_checkpoint
from danlu.tasks.task import TaskRows
from danlu.text.corpus import find_sources
from danlu.text.languages import language_counter
from danlu.training.precision import Machine, recorded_machine


@dataclass(frozen=True)
class Preflight:
    """The results of the checks: the machine, the rows of each task, the saved model that each model starts from."""

    machine: Machine
    rows: Mapping[str, TaskRows]
    checkpoints: Mapping[str, dict[str, Any] | None]


def preflight(path: Path, recipe: Recipe, with_tasks: bool = True) -> Preflight:
    """Check a recipe before its run directory exists. Raises WrongInput for anything that would stop the run later."""
    machine = machine_of(path, recipe.machine)
    require_extras(path, recipe)
    find_sources(recipe.corpus)
    for pairs in recipe.evaluation.similarity.values():
        pairs.read()
    rows = {name: read_rows(name, task) for name, task in recipe.tasks.items()} if with_tasks else {}
    checkpoints = {name: inspect_checkpoint(path, name, recipe) for name in recipe.models}
    return Preflight(machine, rows, checkpoints)


def machine_of(path: Path, settings: MachineSettings) -> Machine:
    """Return the machine that the run in `path` was started with, or that of the recipe for a new run."""
    file = stage_file(path, "machine")
    return recorded_machine(read_json(file)) if os.path.isfile(file) else settings.resolve()


def require_extras(path: Path, recipe: Recipe) -> None:
    """Require the optional libraries that the run will need."""
    require_report()
    for name, model in recipe.models.items():
        require_transformers(path, name, model)
        if not is_finished(path, f"pretrain/{name}"):
            for module, extra in model.objective.required_libraries.items():
                require(module, extra, f"models.{name}.objective: {model.objective.name}")
    for cleaning in recipe.corpus.clean:
        cleaning.build()  # imports its library
    if recipe.corpus.language_shares:
        language_counter()
    if recipe.track is not None:
        recipe.track.require()


def require_report() -> None:
    """Require the library that draws the charts of the report."""
    require("matplotlib", "report", "the report")


def check_models(jobs: Mapping[str, Pretraining]) -> None:
    """Check the prompts and the held-out splits of every model before the first one trains.

    Models that depend on an earlier model of the run are checked after that one has been trained.
    """
    for name, job in jobs.items():
        if not job.run.is_finished(f"pretrain/{name}") and not job.recipe.objective.referenced_models():
            job.check()
