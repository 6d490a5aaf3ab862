"""Fine-tune for a task, compared with random weights of the same architecture and with the task's baselines."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from danlu.architecture import Architecture
from danlu.architectures import Network, build_network
from danlu.architectures.weight_transfer import transfer_weights
from danlu.config.schema import TaskRecipe
from danlu.durable import write_text
from danlu.errors import WrongInput
from danlu.interop import save_native
from danlu.metrics.intervals import mean_interval, paired_difference
from danlu.metrics.metric import Figure
from danlu.objective import Objective, former_reading_order
from danlu.results import Score, Sufficiency, TaskResult
from danlu.runs.dev_selection import DevValidation, best_rate, learning_rates, validate_every_epoch, with_learning_rate
from danlu.runs.directory import RunDirectory
from danlu.runs.events import Emit, LearningRateChosen, TaskJudged, TaskScored, TrainingPlanned, training_progress
from danlu.runs.judge_training import Advise, advise_on_finetuning, judge_finetuning
from danlu.tasks.predictor import Predictor
from danlu.tasks.task import Task, TaskRows, Ties
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.checkpoint import Checkpoints
from danlu.training.loop import Job, train
from danlu.training.plan import Plan, make_plan
from danlu.training.precision import Machine
from danlu.training.samples import Samples
from danlu.training.training_options import apply_training_options

OURS, RANDOM = "ours", "random_weights"
ARMS = (OURS, RANDOM)
"""Pre-trained and random weights. The model of the first seed of `ours` is saved; choosing the best seed would select
on the test rows."""


@dataclass(frozen=True)
class Pretrained:
    """The model that fine-tuning starts from."""

    objective: Any  # pre-training objective
    architecture: Architecture
    tokenizer: TextTokenizer
    vocabulary_size: int
    source: Any  # `corpus.source` of its pre-training; None if unknown
    load: Callable[[], Network]
    sufficiency: Sufficiency | None = None  # of its pre-training; None if unknown


@dataclass
class Finetuning:
    """Fine-tuning for one task, in the directory of a run."""

    run: RunDirectory
    machine: Machine
    emit: Emit
    stop: Callable[[], bool]
    model: Pretrained
    name: str
    recipe: TaskRecipe
    rows: TaskRows
    advise: Advise = advise_on_finetuning

    @property
    def task(self) -> Task:
        return self.recipe.task

    @property
    def folder(self) -> Path:
        return self.run.path / "tasks" / self.name

    @property
    def seeds(self) -> range:
        return range(self.recipe.first_seed, self.recipe.first_seed + self.recipe.seeds)

    @cached_property
    def predictor(self) -> Predictor:
        return self.task.predictor(self.rows, self.model.objective)

    @cached_property
    def learning_rates(self) -> tuple[float, ...]:
        """The candidate learning rates; empty if none is chosen on dev rows."""
        return learning_rates(self.recipe, bool(self.rows.dev))

    @property
    def read_before(self) -> bool | None:
        """Whether pre-training has read the texts of the rows; None if the source of either is unknown."""
        rows, corpus = self.rows.facts.get("source"), self.model.source
        if rows is None or corpus is None:
            return None
        return rows in ([corpus] if isinstance(corpus, str) else corpus)

    def objective(self) -> Objective:
        return self.task.objective(self.rows, self.model.objective)

    def network(self, arm: str, seed: int) -> Network:
        """Build a network with pre-trained or random weights; its head is new in both cases.

        The weights are copied, because `load` may return one model for all seeds.
        """
        source = self.model
        model = build_network(self.objective(), source.architecture, source.vocabulary_size, seed, source.objective)
        if arm == OURS:
            trained = source.load()
            # the outputs of a head have the same meaning only if the objective is the same
            with_head = trained.objective == source.objective and isinstance(model.objective, type(source.objective))
            transfer_weights(model, trained.state_dict(), "the pre-trained model", with_head)
        model.to(self.machine.device)
        apply_training_options(model, self.recipe.training)
        return model

    def samples(self, seed: int) -> Samples:
        """Return the training rows of a seed as the units of training."""
        selected = self.task.sample(self.rows, seed)
        return self.task.units(selected, self.rows, self.model.tokenizer, seed)

    def validation(self) -> DevValidation | None:
        """Return the validation on the dev rows; None without dev rows."""
        if not self.rows.dev:
            return None
        samples = self.task.units(self.rows.dev, self.rows, self.model.tokenizer, 0, shuffled=False)
        return DevValidation(self.objective(), samples, self.machine, self.dev_headline)

    def dev_headline(self, model: Any) -> tuple[str, float]:
        """Return the name and the value of the headline metric on the dev rows."""
        name, figure = next(iter(self.task.score(self.rows.dev, self.predictions(model, self.rows.dev)).items()))
        return name, figure.value

    @property
    def runs(self) -> int:
        """The number of trainings: every arm with every seed and with every candidate learning rate."""
        candidates = len(self.learning_rates) if len(self.learning_rates) > 1 else 0
        return len(ARMS) * (self.recipe.seeds + candidates)

    def plan(self) -> Plan:
        """Choose the number of steps, the same for every training of the task; a time budget is divided among them."""
        settings = self.recipe.training
        settings = settings.model_copy(update={"budget": settings.budget.scaled(1 / self.runs)})
        first = self.seeds[0]
        model, samples = self.network(RANDOM, first), self.samples(first)
        plan = make_plan(settings, model, self.objective(), samples, self.machine, self.validation())
        return validate_every_epoch(plan, self.recipe, samples.units) if self.rows.dev else plan

    def train(self, arm: str, seed: int, plan: Plan, run: str) -> tuple[Network, dict[str, Any]]:
        """Train one arm with one seed, under the name `run`. Return the model and the results of validation."""
        model, validation = self.network(arm, seed), self.validation()
        settings = self.recipe.training.model_copy(update={"seed": seed})
        job = Job(
            f"finetune/{self.name}/{run}", model, self.objective(), self.samples(seed), settings, plan,
            Checkpoints(self.folder / run), self.run.journal, self.run.journal_end,
            watch=training_progress(self.emit), stop=self.stop,
        )  # fmt: skip
        if validation is None:
            train(job)
            return model, {}
        job.validate, job.validation_facts = validation, validation.facts
        end = train(job)
        return model, {"steps": end.step, "best_step": end.best_step, "loss": end.best_loss}

    def train_candidate(self, arm: str, rate: float, plan: Plan, run: str) -> dict[str, Any]:
        """Train one arm with one learning rate and score it on the dev rows."""
        model, found = replace(self, recipe=with_learning_rate(self.recipe, rate)).train(arm, self.seeds[0], plan, run)
        return {"learning_rate": rate, "score": self.dev_headline(model)[1], **found}

    def score(self, arm: str, seed: int, plan: Plan) -> dict[str, Any]:
        """Train one arm with one seed and score it on the test rows."""
        model, found = self.train(arm, seed, plan, f"{arm}-{seed}")
        predictions = self.predictions(model, self.rows.test)
        figures = self.task.score(self.rows.test, predictions)
        facts = {"score": headline(figures), "figures": {name: figure.value for name, figure in figures.items()}}
        if arm == OURS and seed == self.seeds[0]:
            self.save(model)
            tables = self.task.details(self.rows.test, predictions)
            facts["details"] = {name: asdict(table) for name, table in tables.items()}
            facts["examples"] = [asdict(row) for row in self.task.wrong_examples(self.rows.test, predictions)]
        return facts | ({"dev": found} if found else {})

    def predictions(self, model: Any, rows: Sequence[Any]) -> list[Any]:
        """Return the predictions for some rows, in their order."""
        was_training = model.training
        model.eval()
        with self.machine.autocast():
            found = self.task.predict(model, self.predictor, rows, self.model.tokenizer)
        model.train(was_training)
        return found

    def save(self, model: Network) -> None:
        """Write the fine-tuned model as a folder, with its predictor."""
        source = self.model
        save_native(
            model, source.tokenizer, self.folder / "model", source.objective, source.architecture, self.predictor
        )


def headline(figures: Mapping[str, Figure]) -> float:
    """Return the value of the first metric."""
    return next(iter(figures.values())).value


def read_rows(name: str, recipe: TaskRecipe) -> TaskRows:
    """Read and check the rows of a task before training."""
    recipe.task.check_extras()
    rows = recipe.task.read()
    try:
        recipe.task.sample(rows, 0)
    except WrongInput as error:
        raise WrongInput(f"tasks.{name}.task.{error}") from None
    if not rows.dev:
        for setting, given in (
            ("training.patience", recipe.training.patience),
            ("learning_rates", recipe.learning_rates),
        ):
            if given:
                raise WrongInput(
                    f"tasks.{name}.{setting}: the task has no dev rows to select on; give dev rows, or leave it out"
                )
    return rows


def pin_rows(run: RunDirectory, name: str, rows: TaskRows) -> None:
    """Pin the rows of a task, so that all its scores are measured on the same rows.

    For a table that was split, also write the split of each line to `split.tsv`.
    """
    run.pin(f"rows/{name}", {"sha256": rows.fingerprint()}, f"the table of rows of the task {name!r}")
    if rows.assignment:
        folder = run.path / "tasks" / name
        folder.mkdir(parents=True, exist_ok=True)
        lines = ["place\tsplit", *("\t".join(pair) for pair in rows.assignment)]
        write_text(folder / "split.tsv", "\n".join(lines) + "\n")


def pin_reading_order(task: Finetuning) -> None:
    """Pin the order in which the model reads a text, so that it is the same for all seeds of a fine-tuning.

    A fine-tuning without a record was started by an earlier version of danlu, which used `former_reading_order`.

    Raises:
        WrongInput: if a fine-tuning that has not finished was started with another order.
    """
    run, stages = task.run, f"finetune/{task.name}"
    objective = task.model.objective
    order = objective.reading_order
    first = former_reading_order(objective) if run.is_finished(f"{stages}/plan") else order
    recorded = run.record_once(f"{stages}/reading", lambda: {"order": first})["order"]
    if recorded != order and not all(run.is_finished(f"{stages}/{arm}-{seed}") for arm in ARMS for seed in task.seeds):
        raise WrongInput(
            f"tasks.{task.name}: the version of danlu that started this fine-tuning read texts in {recorded} order, "
            f"this one reads them in {order} order; delete {run.path / 'stages' / stages} and {task.folder} to "
            "fine-tune again, or choose another directory with --out"
        )


def finetune_task(task: Finetuning) -> dict[str, Any]:
    """Fine-tune every arm with every seed, score them and the baselines, and return the entry of results.json."""
    run = task.run
    pin_reading_order(task)
    plan = Plan.of(run.record_once(f"finetune/{task.name}/plan", lambda: task.plan().facts()))
    if not all(run.is_finished(f"finetune/{task.name}/{arm}-{seed}") for arm in ARMS for seed in task.seeds):
        task.emit(TrainingPlanned(task.name, plan, task.samples(task.seeds[0]).units, task.runs))
    choices = {arm: choose_learning_rate(task, arm, plan) for arm in ARMS if task.learning_rates}
    arms = {arm: train_and_score(task, arm, plan, choices.get(arm)) for arm in ARMS}
    baselines = run.stage(f"controls/{task.name}", lambda: baseline_scores(task))
    found = describe(task, plan) | results(task, arms, baselines) | dev_facts(task, arms, choices)
    task.emit(TaskJudged(TaskResult.model_validate(found), task.model.sufficiency))
    return found


def choose_learning_rate(task: Finetuning, arm: str, plan: Plan) -> dict[str, Any]:
    """Choose the learning rate of one arm on the dev rows, with the first seed."""
    if len(task.learning_rates) == 1:
        return {"learning_rate": task.learning_rates[0], "candidates": {}}
    found = {}
    for rate in task.learning_rates:
        run = f"{arm}-rate-{rate:.3g}"
        stage = f"finetune/{task.name}/{run}"
        found[f"{rate:.3g}"] = task.run.stage(stage, lambda r=rate, n=run: task.train_candidate(arm, r, plan, n))
        shutil.rmtree(task.folder / run, ignore_errors=True)
    chosen = best_rate(found, task.task.metrics[0].higher_is_better)
    task.emit(LearningRateChosen(task.name, arm, chosen, {rate: facts["score"] for rate, facts in found.items()}))
    return {"learning_rate": chosen, "candidates": found}


def train_and_score(task: Finetuning, arm: str, plan: Plan, choice: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Train one arm with every seed and score it on the test rows."""
    tuned = task if choice is None else replace(task, recipe=with_learning_rate(task.recipe, choice["learning_rate"]))
    found = []
    for seed in task.seeds:
        stage = f"finetune/{task.name}/{arm}-{seed}"
        found.append(task.run.stage(stage, lambda s=seed: tuned.score(arm, s, plan)))
        shutil.rmtree(task.folder / f"{arm}-{seed}", ignore_errors=True)
    return found


def baseline_scores(task: Finetuning) -> dict[str, list[float]]:
    """Score the baselines of the task for every seed, each trained on the rows sampled with that seed."""
    scores: dict[str, list[float]] = {}
    for seed in task.seeds:
        found = task.task.baselines(task.task.sample(task.rows, seed), task.rows.test, seed)
        for name, predictions in found.items():
            scores.setdefault(name, []).append(baseline_score(task, predictions))
    return scores


def baseline_score(task: Finetuning, predictions: list[Any] | Ties) -> float:
    """Score the predictions of a baseline, averaged over its equally good choices if it has several."""
    choices = predictions.predictions if isinstance(predictions, Ties) else (predictions,)
    return math.fsum(headline(task.task.score(task.rows.test, choice)) for choice in choices) / len(choices)


def describe(task: Finetuning, plan: Plan) -> dict[str, Any]:
    """Return the facts about the task and its rows for results.json."""
    metric, rows = task.task.metrics[0], task.rows
    return {
        "name": task.name,
        "model": task.recipe.model,
        "metric": metric.name,
        "higher_is_better": metric.higher_is_better,
        "bounds": [metric.low, metric.high],
        **task.task.facts(rows),
        "train_rows": len(task.task.sample(rows, task.seeds[0])),
        "dev_rows": len(rows.dev),
        "test_rows": len(rows.test),
        "near_duplicates_rule": rows.facts.get("near_duplicates_rule"),
        "near_duplicates_removed": rows.facts.get("near_duplicates_removed"),
        "texts_read_in_pretraining": task.read_before,
        "rows": dict(rows.facts),
        "path": str((task.folder / "model").relative_to(task.run.path)),
        "steps": plan.steps,
        "sufficiency": judge_finetuning(
            task.name,
            task.recipe.training,
            plan,
            task.samples(task.seeds[0]).units,
            task.runs,
            task.model.sufficiency,
            task.advise,
        ),
    }


def results(
    task: Finetuning,
    arms: Mapping[str, list[dict[str, Any]]],
    baselines: Mapping[str, list[float]],
) -> dict[str, Any]:
    """Return the scores of the arms and baselines, with intervals and paired differences, and report them."""
    metric = task.task.metrics[0]
    scores = {arm: [facts["score"] for facts in found] for arm, found in arms.items()} | dict(baselines)
    entries = {name: interval_facts(values, (metric.low, metric.high)) for name, values in scores.items()}
    for name, found in entries.items():
        task.emit(TaskScored(task.name, name, metric.name, Score.model_validate(found)))
    compared = [name for name in scores if name != OURS and name not in task.task.input_blind]
    return {
        "scores": entries,
        "baselines": list(baselines),
        "differences": {name: asdict(paired_difference(scores[OURS], scores[name])) for name in compared},
        "figures": {arm: mean_figures(found) for arm, found in arms.items()},
        "details": arms[OURS][0].get("details", {}),
        "examples": arms[OURS][0].get("examples", []),
    }


def dev_facts(
    task: Finetuning, arms: Mapping[str, list[dict[str, Any]]], choices: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what was chosen on the dev rows, for each arm: the learning rate and the number of steps of each seed."""
    if not task.rows.dev:
        return {}
    fixed = {"learning_rate": task.recipe.training.optimizer.learning_rate, "candidates": {}}
    return {
        "chosen_by_dev": {
            arm: {**choices.get(arm, fixed), "steps": [facts["dev"]["best_step"] for facts in found]}
            for arm, found in arms.items()
        }
    }


def mean_figures(stages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the mean over the seeds of each metric; {} for runs of earlier versions, which lack these figures."""
    found = [facts.get("figures", {}) for facts in stages]
    return {name: sum(figures[name] for figures in found) / len(found) for name in found[0]} if all(found) else {}


def interval_facts(scores: Sequence[float], bounds: Sequence[float | None]) -> dict[str, Any]:
    """Return the mean over seeds and its interval, clipped to the range of the metric."""
    found, (least, greatest) = mean_interval(scores), bounds
    if found.low is not None and least is not None:
        found = replace(found, low=max(least, found.low))
    if found.high is not None and greatest is not None:
        found = replace(found, high=min(greatest, found.high))
    return asdict(found) | {"seeds": list(scores)}
