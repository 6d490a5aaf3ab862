"""Fine-tuning on few labels, beside the controls: random weights, TF-IDF with logistic regression, majority."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from danlu.architectures import Network, build_network
from danlu.architectures.weight_transfer import transfer_weights
from danlu.errors import WrongInput
from danlu.evaluation.classification_baselines import majority_score, require_controls, tfidf_score
from danlu.metrics.intervals import mean_interval, paired_difference
from danlu.interop import save_native
from danlu.config.schema import TaskRecipe
from danlu.architecture import Architecture
from danlu.runs.pretrain_model import Watch
from danlu.runs.directory import RunDirectory
from danlu.metrics.classification import Metric
from danlu.tasks.rows import LabelledRows, Row, few_labels
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.checkpoint import Checkpoints
from danlu.training.samples import RowSamples
from danlu.training.loop import Job, train
from danlu.training.training_options import apply_training_options
from danlu.training.plan import Plan, make_plan
from danlu.training.precision import Machine
from danlu.training.step import micro_batches

ARMS = ("ours", "random_weights")
KEPT = "ours"
"""The arm whose model of the first seed is saved; not that of the best, which would be chosen by the test rows."""


@dataclass(frozen=True)
class Pretrained:
    """The model that fine-tuning starts from, whoever trained it.

    objective: that of its pre-training; source: the corpus it was trained on as a recipe names it, None where that is
    not known; load() gives its weights.
    """

    objective: Any
    architecture: Architecture
    tokenizer: TextTokenizer
    vocabulary_size: int
    source: Any
    load: Callable[[], Network]

    @property
    def full(self) -> bool:
        """Whether its positions see both sides."""
        return "full" in self.objective.needs["backbone"]


@dataclass
class Finetuning:
    """One task, in the folder of a run."""

    run: RunDirectory
    machine: Machine
    watch: Watch
    stop: Callable[[], bool]
    model: Pretrained
    name: str
    recipe: TaskRecipe
    rows: LabelledRows

    @property
    def folder(self) -> Path:
        return self.run.path / "tasks" / self.name

    @property
    def seeds(self) -> range:
        return range(self.recipe.first_seed, self.recipe.first_seed + self.recipe.seeds)

    def drawn(self, seed: int) -> tuple[Row, ...]:
        """The labelled training rows of a seed: another draw for each."""
        per_class = self.recipe.task.labels_per_class
        return self.rows.train if per_class is None else few_labels(self.rows.train, per_class, seed)

    def samples(self, rows: Sequence[Row], seed: int, shuffled: bool = True) -> RowSamples:
        tokenizer = self.model.tokenizer
        encoded = self.recipe.task.encode(rows, self.rows.classes, tokenizer)
        mean = float(np.mean([len(row.ids) for row in encoded]))
        return RowSamples(encoded, mean, tokenizer.vocabulary, seed, shuffled)

    @property
    def read_before(self) -> bool | None:
        """Whether pre-training has read the texts of the rows; None where rows or corpus do not say what they are."""
        own, read = self.rows.facts.get("source"), self.model.source
        if own is None or read is None:
            return None
        return own in ([read] if isinstance(read, str) else read)

    def objective(self) -> Any:
        return self.recipe.task.objective(self.rows.classes, self.model.full)

    def network(self, arm: str, seed: int) -> Network:
        """A classifier with the pre-trained or with random weights; its head is new either way. The weights are copied:
        what `load` gives may be one model for all seeds."""
        source = self.model
        model = build_network(self.objective(), source.architecture, source.vocabulary_size, seed, source.objective)
        if arm == "ours":
            trained = source.load()
            # the head of a model that was fine-tuned before belongs to the classes of that task
            with_head = trained.objective == source.objective
            transfer_weights(model, trained.state_dict(), "the pre-trained model", with_head)
        model.to(self.machine.device)
        apply_training_options(model, self.recipe.training)
        return model

    def plan(self) -> Plan:
        """The same steps for every run of the task; a time budget is shared out among them."""
        runs = len(ARMS) * self.recipe.seeds
        settings = self.recipe.training
        settings = settings.model_copy(update={"budget": settings.budget.scaled(1 / runs)})
        first = self.seeds[0]
        model, samples = self.network("random_weights", first), self.samples(self.drawn(first), first)
        return make_plan(settings, model, self.objective(), samples, self.machine, None)

    def score(self, arm: str, seed: int, plan: Plan) -> dict[str, Any]:
        """Train one arm with one seed and score it on the test rows."""
        stage = f"finetune/{self.name}/{arm}-{seed}"
        model, objective = self.network(arm, seed), self.objective()
        checkpoints = Checkpoints(self.folder / f"{arm}-{seed}")
        settings = self.recipe.training.model_copy(update={"seed": seed})
        job = Job(
            stage, model, objective, self.samples(self.drawn(seed), seed), settings, plan, checkpoints,
            self.run.journal, self.run.journal_end, watch=self.watch, stop=self.stop,
        )  # fmt: skip
        train(job)
        if arm == KEPT and seed == self.seeds[0]:
            self.save(model)
        labels = np.array([self.rows.classes.index(row.label) for row in self.rows.test])
        return {"score": self.recipe.task.metric.score(labels, self.predictions(model, objective, plan))}

    def save(self, model: Network) -> None:
        """The fine-tuned model as a folder, with what it answers."""
        head = self.recipe.task.head(self.rows.classes, self.model.full)
        save_native(
            model, self.model.tokenizer, self.folder / "model", self.model.objective, self.model.architecture, head
        )

    def predictions(self, model: Network, objective: Any, plan: Plan) -> np.ndarray:
        """[test rows] class numbers."""
        model.eval()
        samples = self.samples(self.rows.test, 0, shuffled=False)
        batches = micro_batches(objective, samples, 0, samples.units, 32, 1.0)
        with plan.machine.autocast():
            return np.concatenate([objective.predict(model, batch.to(model.device)) for batch in batches])


def read_rows(name: str, recipe: TaskRecipe) -> LabelledRows:
    """The rows of a task; done before any training, so that a table that is not there or too small is told at once."""
    require_controls()
    rows = recipe.task.read()
    if recipe.task.labels_per_class is not None:
        try:
            few_labels(rows.train, recipe.task.labels_per_class, 0)
        except WrongInput as error:
            raise WrongInput(f"tasks.{name}.task.labels_per_class: {error}") from None
    return rows


def bind_rows(run: RunDirectory, name: str, rows: LabelledRows) -> None:
    """Pin the rows of a task, so that all its scores are measured on the same rows."""
    parts = [[astuple(row) for row in part] for part in (rows.train, rows.dev, rows.test)]
    digest = hashlib.sha256(json.dumps([rows.classes, parts]).encode()).hexdigest()
    run.pin(f"rows/{name}", {"sha256": digest}, f"the table of rows of the task {name!r}")


def finetune_task(task: Finetuning, say: Callable[[str], None]) -> dict[str, Any]:
    """All runs of a task and its controls; the entry of results.json."""
    run = task.run
    plan = Plan.of(run.record_once(f"finetune/{task.name}/plan", lambda: task.plan().facts()))
    scores: dict[str, list[float]] = {}
    for arm in ARMS:
        scores[arm] = []
        for seed in task.seeds:
            facts = run.stage(f"finetune/{task.name}/{arm}-{seed}", lambda a=arm, s=seed: task.score(a, s, plan))
            shutil.rmtree(task.folder / f"{arm}-{seed}", ignore_errors=True)
            scores[arm].append(facts["score"])
    scores |= run.stage(f"controls/{task.name}", lambda: controls(task))
    metric = task.recipe.task.metric
    entries = {name: interval_facts(values, metric) for name, values in scores.items()}
    for name, entry in entries.items():
        bounds = "" if entry["low"] is None else f" [{entry['low']:.3f}, {entry['high']:.3f}]"
        say(f"{task.name:10s} {name}: {metric.name} {entry['mean']:.3f}{bounds}")
    differences = {
        name: asdict(paired_difference(scores["ours"], scores[name])) for name in ("random_weights", "tfidf")
    }
    return {
        "name": task.name,
        "model": task.recipe.model,
        "metric": metric.name,
        "labels": task.recipe.task.labels_per_class,
        "classes": list(task.rows.classes),
        "train_rows": len(task.drawn(task.seeds[0])),
        "test_rows": len(task.rows.test),
        "near_duplicates_rule": task.rows.facts.get("near_duplicates_rule"),
        "near_duplicates_removed": task.rows.facts.get("near_duplicates_removed"),
        "texts_read_in_pretraining": task.read_before,
        "rows": dict(task.rows.facts),
        "path": str((task.folder / "model").relative_to(run.path)),
        "steps": plan.steps,
        "scores": entries,
        "differences": differences,
    }


def controls(task: Finetuning) -> dict[str, list[float]]:
    """Classical controls on the very rows each seed drew."""
    samples = {seed: task.drawn(seed) for seed in task.seeds}
    test, metric = task.rows.test, task.recipe.task.metric
    return {
        "tfidf": [tfidf_score(rows, test, seed, metric) for seed, rows in samples.items()],
        "majority": [majority_score(rows, test, metric) for rows in samples.values()],
    }


def interval_facts(scores: Sequence[float], metric: Metric) -> dict[str, Any]:
    """Mean over seeds and its interval, cut to what the metric can be."""
    found = mean_interval(scores)
    if found.low is not None and found.high is not None:
        found = replace(found, low=max(metric.low, found.low), high=min(metric.high, found.high))
    return asdict(found) | {"seeds": list(scores)}
