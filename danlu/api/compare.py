"""`danlu.compare`: train the models of several recipes in one run and compare them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from danlu.api.request import run_request
from danlu.config.comparison import Comparison, compared, differing
from danlu.config.loading import load_recipe
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.errors import WrongInput
from danlu.evaluation.paired_comparison import Measured, differences
from danlu.report.comparison import write_comparison
from danlu.results import (
    SCHEMA,
    ComparedModel,
    ComparisonResults,
    ComparisonTask,
    MeasuredScore,
    ModelResult,
    ReferenceDifference,
    Results,
    Score,
    TaskResult,
    write_results,
)
from danlu.runs import run as runs
from danlu.runs.events import never
from danlu.runs.finetune_task import interval_facts
from danlu.training.budget import Budget, parse_budget


def compare(
    recipes: Sequence[str],
    budget: str,
    seeds: int = 3,
    task: str | None = None,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    say: Say | None = print_line,
    watch: Watch | None = None,
    stop: Callable[[], bool] = never,
    quiet: bool = False,
) -> dict[str, Any]:
    """Train and compare the models of several recipes, with the same corpus, tokenizer, budget and task.

    The same call resumes a comparison that was interrupted.

    Args:
        recipes: files or names of shipped recipes.
        budget: of each training: "500k tokens", "4min" or "20T flops".
        seeds: trainings of each model.
        task: the task that all models are fine-tuned for (default: the first of the recipes).
        out: the run directory (default: runs/compare).
        overrides, say, watch, stop, quiet: as in `danlu.run`; overrides change all recipes.

    Returns:
        The content of comparison.json in the run directory, which comparison.html shows.

    Raises:
        WrongInput: if the recipes cannot be compared.
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
    request = run_request(comparison.recipe, (), folder, None)
    results = Results.model_validate(runs.run(request, reporter(say, watch, quiet), stop))
    made = write_results(folder / "comparison.json", comparison_results(comparison, results, amount))
    write_comparison(folder, comparison.recipe.language)
    return made


@dataclass(frozen=True)
class Trainings:
    """All trainings of one model, each with its task, and the figures over them; None where a figure is undefined."""

    models: Sequence[ModelResult]
    tasks: Sequence[TaskResult]

    @property
    def bits_per_byte(self) -> Measured | None:
        """Over the trainings; for a single training, over its test documents."""
        values = [model.bits_per_byte for model in self.models]
        if any(value is None for value in values):
            return None
        single = self.models[0] if len(self.models) == 1 else None
        bits = None if single is None or single.document_bits is None else np.array(single.document_bits)
        size = None if single is None or single.document_bytes is None else np.array(single.document_bytes)
        return Measured(tuple(value for value in values if value is not None), bits, size, "documents")

    @property
    def loss(self) -> Measured:
        """Test loss, which can be compared between models of one objective only."""
        return Measured(tuple(model.loss for model in self.models if model.loss is not None))

    def score(self, arm: str) -> Measured | None:
        """The task's score, averaged over the draws of labels of each training; None without a task."""
        if not self.tasks:
            return None
        draws = [task.scores[arm].seeds for task in self.tasks]  # type: ignore[union-attr]
        single = np.array(draws[0]) if len(draws) == 1 and len(draws[0]) > 1 else None
        return Measured(tuple(float(np.mean(values)) for values in draws), single, None, "draws of labels")

    def mean(self, key: str) -> float:
        return sum(getattr(model, key) for model in self.models) / len(self.models)


def comparison_results(comparison: Comparison, results: Results, budget: Budget) -> ComparisonResults:
    """Return the figures of every model, from the results of the run."""
    trainings = group_trainings(comparison, results)
    settings = differing({name: comparison.recipe.models[comparison.members(name)[0]] for name in comparison.names})
    apart = {
        "bits_per_byte": differences({name: found.bits_per_byte for name, found in trainings.items()}),
        "task": differences({name: found.score("ours") for name, found in trainings.items()}),
    }
    models = [
        compared_model(name, found, {figure: of[name] for figure, of in apart.items()}, settings[name])
        for name, found in trainings.items()
    ]
    return ComparisonResults(
        schema_version=SCHEMA,
        seeds=comparison.seeds,
        corpus=results.corpus.source if results.corpus else None,
        models=models,
        baselines=next((model.measured() for model in results.pretrain if model.baselines), None),
        task=comparison_task(comparison, trainings[comparison.names[0]].tasks),
        budget=str(budget),
    )


def group_trainings(comparison: Comparison, results: Results) -> dict[str, Trainings]:
    """Return the trainings of each compared model."""
    models = {model.name: model for model in results.pretrain}
    tasks = {task.name: task for task in results.tasks}
    found = {}
    for name in comparison.names:
        members = comparison.members(name)
        own = [tasks[comparison.fine_tuned(member)] for member in members] if comparison.task else []
        found[name] = Trainings([models[member] for member in members], own)
    return found


def compared_model(
    name: str, trainings: Trainings, apart: Mapping[str, dict[str, Any] | None], settings: dict[str, Any]
) -> ComparedModel:
    """Return the figures of one model."""
    first = trainings.models[0]
    ours, blank = trainings.score("ours"), trainings.score("random_weights")
    return ComparedModel(
        name=name,
        objective=first.objective,
        architecture=first.architecture or "",
        parameters=first.parameters or 0,
        tokens=trainings.mean("tokens"),
        seconds=trainings.mean("seconds"),
        operations=trainings.mean("operations"),
        bits_per_byte=measured_score(trainings.bits_per_byte),
        text_lost=first.text_lost,
        loss=measured_score(trainings.loss),
        task=measured_score(ours),
        random_weights=measured_score(blank),
        pretraining_gain=pretraining_gain(ours, blank),
        differences={
            key: None if found is None else ReferenceDifference.model_validate(found) for key, found in apart.items()
        },
        task_steps=[task.steps for task in trainings.tasks if task.steps is not None],
        settings=settings,
    )


def measured_score(found: Measured | None) -> MeasuredScore | None:
    return None if found is None else MeasuredScore.model_validate(found.json())


def pretraining_gain(ours: Measured | None, blank: Measured | None) -> ReferenceDifference | None:
    """Return what pre-training added to the score of random weights, paired by seed."""
    if ours is None or blank is None:
        return None
    found = ours.minus(blank)
    return ReferenceDifference(mean=found.mean, low=found.low, high=found.high, over=ours.over)


def comparison_task(comparison: Comparison, tasks: Sequence[TaskResult]) -> ComparisonTask | None:
    """Return what is the same for all models, from the tasks of one: the controls over all draws of labels."""
    if not tasks:
        return None
    first = tasks[0]
    drawn = {
        name: [score for task in tasks for score in task.scores[name].seeds]  # type: ignore[union-attr]
        for name in first.baselines
    }
    return ComparisonTask(
        name=comparison.task or "",
        metric=first.metric,
        labels=first.labels,
        train_rows=first.train_rows,
        test_rows=first.test_rows,
        draws=len(first.scores["ours"].seeds),  # type: ignore[union-attr]
        controls={name: Score.model_validate(interval_facts(scores, first.bounds)) for name, scores in drawn.items()},
    )
