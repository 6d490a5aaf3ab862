"""`danlu.compare`: train the models of several recipes in one run and compare them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from danlu.api.request import run_request
from danlu.comparison_results import (
    ComparedModel,
    ComparisonResults,
    ComparisonTask,
    MeasuredScore,
    ReferenceDifference,
)
from danlu.config.comparison import Comparison, build_comparison, differing_settings
from danlu.config.loading import load_recipe
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.errors import WrongInput
from danlu.evaluation.paired_comparison import Measurement, paired_differences
from danlu.report.comparison import write_comparison
from danlu.results import SCHEMA, ModelResult, Results, Sufficiency, TaskResult, write_results
from danlu.runs import run as runs
from danlu.runs.events import never
from danlu.runs.finetune_task import interval_facts
from danlu.runs.judge_training import Advise
from danlu.training.budget import Budget, parse_budget
from danlu.training.sufficiency import MARGIN, readable_budget


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
    """Train the models of several recipes with one corpus, tokenizer, budget and task, and compare them.

    The same call resumes a comparison that was interrupted.

    Args:
        recipes: files or names of shipped recipes.
        budget: budget of each training, such as "500k tokens", "4min" or "20T flops".
        seeds: number of trainings of each model.
        task: the task that all models are fine-tuned for (default: the first task of the recipes).
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
    loaded = {Path(name).stem: load_recipe(name, overrides) for name in recipes}
    if len(loaded) < len(recipes):
        raise WrongInput("two of the recipes have the same name; copy one under another name")
    comparison = build_comparison(loaded, amount, seeds, task)
    folder = Path(out) if out is not None else Path("runs") / "compare"
    request = replace(run_request(comparison.recipe, (), folder, None), advise=advise_on_comparison(comparison))
    results = Results.model_validate(runs.run(request, reporter(say, watch, quiet), stop))
    content = write_results(folder / "comparison.json", comparison_results(comparison, results, amount))
    write_comparison(folder, comparison.recipe.language)
    return content


@dataclass(frozen=True)
class ModelTrainings:
    """All trainings of one model with their fine-tuning tasks. A figure that is undefined is None."""

    models: Sequence[ModelResult]
    tasks: Sequence[TaskResult]

    @property
    def bits_per_byte(self) -> Measurement | None:
        """Bits per byte of each training; for a single training, also of its test documents."""
        values = [model.bits_per_byte for model in self.models if model.bits_per_byte is not None]
        if len(values) < len(self.models):
            return None
        single = self.models[0] if len(self.models) == 1 else None
        bits = None if single is None or single.document_bits is None else np.array(single.document_bits)
        size = None if single is None or single.document_bytes is None else np.array(single.document_bytes)
        return Measurement(tuple(values), bits, size, "documents")

    @property
    def loss(self) -> Measurement:
        """Test loss of each training, comparable only between models with the same objective."""
        return Measurement(tuple(model.loss for model in self.models if model.loss is not None))

    def score(self, arm: str) -> Measurement | None:
        """Return the task score of each training, averaged over the fine-tuning seeds; None without a task."""
        if not self.tasks:
            return None
        seeds = [arm_scores(task, arm) for task in self.tasks]
        single = np.array(seeds[0]) if len(seeds) == 1 and len(seeds[0]) > 1 else None
        return Measurement(tuple(float(np.mean(values)) for values in seeds), single, None, "fine-tuning seeds")


def arm_scores(task: TaskResult, arm: str) -> list[float]:
    """Return the score of one arm of a task for each seed."""
    score = task.scores[arm]
    if score is None:
        raise ValueError(f"task {task.name!r} has no score for {arm!r}")
    return score.seeds


def advise_on_comparison(comparison: Comparison) -> Advise:
    """Return the advice for `danlu compare`, which gives every training the same time or number of tokens."""
    batches = {f"models.{name}": model.training.batch_tokens for name, model in comparison.recipe.models.items()}

    def advise(key: str, given: Budget, needed: Budget) -> str:
        if key not in batches:
            return f"tasks.{comparison.task}.training.budget={shlex.quote(readable_budget(needed))}"
        if needed.unit == "seconds":
            return f"--time {readable_budget(needed)}"
        # a step may have somewhat more tokens than batch_tokens, because examples are not divided
        return f"--tokens {math.ceil(needed.amount * batches[key] * MARGIN)}"

    return advise


def comparison_results(comparison: Comparison, results: Results, budget: Budget) -> ComparisonResults:
    """Return the figures of every model from the results of the run."""
    trainings = group_trainings(comparison, results)
    settings = differing_settings(
        {name: comparison.recipe.models[comparison.training_names(name)[0]] for name in comparison.names}
    )
    differences = {
        "bits_per_byte": paired_differences({name: model.bits_per_byte for name, model in trainings.items()}),
        "task": paired_differences({name: model.score("ours") for name, model in trainings.items()}),
    }
    models = [
        compared_model(
            name, model, {figure: by_model[name] for figure, by_model in differences.items()}, settings[name]
        )
        for name, model in trainings.items()
    ]
    return ComparisonResults(
        schema_version=SCHEMA,
        seeds=comparison.seeds,
        corpus=results.corpus.source if results.corpus else None,
        models=models,
        baselines=next((model.finite_baselines() for model in results.pretrain if model.baselines), None),
        task=comparison_task(comparison, trainings[comparison.names[0]].tasks),
        budget=str(budget),
    )


def group_trainings(comparison: Comparison, results: Results) -> dict[str, ModelTrainings]:
    """Group the models and tasks of the run by the compared model."""
    models = {model.name: model for model in results.pretrain}
    tasks = {task.name: task for task in results.tasks}
    grouped = {}
    for name in comparison.names:
        names = comparison.training_names(name)
        grouped[name] = ModelTrainings(
            [models[training] for training in names],
            [tasks[comparison.task_name(training)] for training in names] if comparison.task else [],
        )
    return grouped


def compared_model(
    name: str, trainings: ModelTrainings, differences: Mapping[str, dict[str, Any] | None], settings: dict[str, Any]
) -> ComparedModel:
    """Return the figures of one model."""
    first = trainings.models[0]
    ours, random_weights = trainings.score("ours"), trainings.score("random_weights")
    return ComparedModel(
        name=name,
        objective=first.objective,
        architecture=first.architecture or "",
        parameters=first.parameters or 0,
        tokens=average(model.tokens for model in trainings.models),
        seconds=average(model.seconds for model in trainings.models),
        operations=average(model.operations for model in trainings.models),
        bits_per_byte=to_measured_score(trainings.bits_per_byte),
        text_lost=first.text_lost,
        loss=to_measured_score(trainings.loss),
        task=to_measured_score(ours),
        random_weights=to_measured_score(random_weights),
        pretraining_gain=pretraining_gain(ours, random_weights),
        differences={
            figure: None if difference is None else ReferenceDifference.model_validate(difference)
            for figure, difference in differences.items()
        },
        sufficiency=least_sufficient(model.sufficiency for model in trainings.models),
        task_sufficiency=least_sufficient(task.sufficiency for task in trainings.tasks),
        task_steps=[task.steps for task in trainings.tasks if task.steps is not None],
        settings=settings,
    )


def least_sufficient(judged: Iterable[Sufficiency | None]) -> Sufficiency | None:
    """Return the judgement of the training that most needs a longer one; None without any."""
    known = [each for each in judged if each is not None]
    return min(known, key=lambda each: (each.sufficient, each.steps or 0), default=None)


def average(values: Iterable[float | None]) -> float:
    """Return the mean of the values that were recorded; 0 without any."""
    recorded = [value for value in values if value is not None]
    return sum(recorded) / len(recorded) if recorded else 0.0


def to_measured_score(measurement: Measurement | None) -> MeasuredScore | None:
    """Convert a measurement to the form in comparison.json."""
    return None if measurement is None else MeasuredScore.model_validate(measurement.json())


def pretraining_gain(ours: Measurement | None, random_weights: Measurement | None) -> ReferenceDifference | None:
    """Return the score of pre-trained minus that of random weights, paired by seed."""
    if ours is None or random_weights is None:
        return None
    gain = ours.difference_from(random_weights)
    return ReferenceDifference(mean=gain.mean, low=gain.low, high=gain.high, over=ours.over)


def comparison_task(comparison: Comparison, tasks: Sequence[TaskResult]) -> ComparisonTask | None:
    """Return the facts that hold for all models, from the tasks of one; controls cover all fine-tuning seeds."""
    if not tasks:
        return None
    first = tasks[0]
    scores = {name: [score for task in tasks for score in arm_scores(task, name)] for name in first.baselines}
    facts = {
        "name": comparison.task or "",
        "metric": first.metric,
        "train_rows": first.train_rows,
        "test_rows": first.test_rows,
        "draws": len(arm_scores(first, "ours")),
        "controls": {name: interval_facts(values, first.bounds) for name, values in scores.items()},
    }
    return ComparisonTask.model_validate(first.task_facts | facts)
