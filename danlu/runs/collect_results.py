"""The results of a run, collected for results.json."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Sequence
from pathlib import Path

import danlu
from danlu.config.schema import Recipe
from danlu.evaluation.text_to_text import rewrites
from danlu.results import (
    SCHEMA,
    CorpusFacts,
    ExportResult,
    ModelResult,
    Results,
    TaskResult,
    TokenizerFacts,
    UsageExamples,
)
from danlu.runs.directory import RunDirectory
from danlu.runs.prepare_data import PreparedData
from danlu.training.precision import Machine, environment


def now() -> str:
    """Return the current time in UTC as ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def collect_results(
    directory: RunDirectory,
    recipe: Recipe,
    prepared: PreparedData,
    started: str,
    machine: Machine,
    *,
    recipe_name: str,
    command: str,
    models: Sequence[ModelResult],
    tasks: Sequence[TaskResult],
    exports: Sequence[ExportResult],
) -> Results:
    """Return the results of a finished run."""
    return Results(
        schema_version=SCHEMA,
        version=danlu.__version__,
        recipe=recipe_name,
        command=command,
        started=datetime.datetime.fromisoformat(started),
        recipe_text=(directory.path / "recipe.yaml").read_text("utf-8"),
        corpus=CorpusFacts.model_validate(prepared.corpus),
        tokenizer=TokenizerFacts.model_validate(prepared.tokenizer),
        text_read=any(model.objective.reads_tokens for model in recipe.models.values()),
        pretrain=list(models),
        tasks=list(tasks),
        exports=list(exports),
        environment=environment(machine),
        use=usage(directory.path, recipe),
        seconds=directory.seconds,
    )


def usage(path: Path, recipe: Recipe) -> UsageExamples:
    """Return example code for one model of the run: the first that generates text, otherwise the first."""
    generating = [n for n, m in recipe.models.items() if m.objective.continues_text or rewrites(m.objective)]
    if not generating:
        folder = path / "model" / next(iter(recipe.models))
        return UsageExamples(shell=[], python=f'import danlu\n\nmodel = danlu.load("{folder}")\n')
    name = generating[0]
    folder, model = path / "model" / name, recipe.models[name]
    prompt = next(iter(model.prompts), "The ___" if model.objective.needs_blank else "The")
    return UsageExamples(
        shell=[shlex.join(["danlu", "generate", str(folder), prompt])],
        python=f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.generate({prompt!r}))\n',
    )
