"""The main job: raw text to pre-trained, fine-tuned and evaluated models and their report."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import danlu
from danlu.durable import read_json, write_json
from danlu.errors import WrongInput
from danlu.evaluation.text_to_text import rewrites
from danlu.config.loading import dump_recipe, load_recipe, parse_recipe
from danlu.config.schema import Recipe
from danlu.config.start_defaults import ALL, Choice
from danlu.report.page import write_report
from danlu.runs.data_files import pin_data_files
from danlu.runs.evaluate_model import baselines, evaluate, say_outcome
from danlu.runs.export_model import export_model, require_checker, say_export
from danlu.runs.finetune_task import Finetuning, Pretrained, bind_rows, finetune_task, read_rows
from danlu.runs.prepare_data import prepare
from danlu.runs.pretrain_model import Pretraining, Watch
from danlu.runs.directory import RunDirectory
from danlu.runs.warm_start import inspect_checkpoint, pin_checkpoint, refuse_other_tokenizer
from danlu.tasks.task import TaskRows
from danlu.training.budget import parse_budget
from danlu.training.precision import environment, recorded

pass

Say = Callable[[str], None]


def quiet(_: str) -> None:
    return None


def resolve(recipe: str | Path | Recipe, overrides: Sequence[str], budget: str | None, choice: Choice = ALL) -> Recipe:
    """A recipe by name or file, with overrides and its time budgets scaled."""
    if isinstance(recipe, Recipe):
        found = recipe if choice == ALL else parse_recipe(dump_recipe(recipe), "the recipe", (), choice)
    else:
        found = load_recipe(str(recipe), overrides, choice)
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
    return Main(recipe, tuple(overrides), out, budget, say, watch, stop).do()


def pretrain(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    budget: str | None = None,
    start: str | Path | None = None,
    model: str | None = None,
    say: Say = quiet,
    watch: Watch = lambda record, plan: None,
    stop: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """As `run`, without the recipe's tasks; `run` on the same directory does those and repeats nothing.

    start: a model folder, danlu's own or a Hugging Face one, whose training goes on: it takes the place of the recipe's
    model and tokenizer; the corpus, the training and the prompts are the recipe's. model: the only one of the recipe's
    models to train. The recipe in the directory says what was chosen: that is the one to `run` afterwards.
    """
    choice = Choice(model, None if start is None else str(start))
    return Main(recipe, tuple(overrides), out, budget, say, watch, stop, choice, tasks=False).do()


@dataclass
class Main:
    """The main job; the arguments are those of `run` and `pretrain`."""

    recipe: str | Path | Recipe
    overrides: tuple[str, ...]
    out: str | Path | None
    budget: str | None
    say: Say
    watch: Watch
    stop: Callable[[], bool]
    choice: Choice = ALL
    tasks: bool = True

    def do(self) -> dict[str, Any]:
        resolved = resolve(self.recipe, self.overrides, self.budget, self.choice)
        name = "recipe" if isinstance(self.recipe, Recipe) else Path(self.recipe).stem
        path = Path(self.out) if self.out is not None else Path("runs") / name
        # Looked at before there is a directory, which would be bound to a recipe that cannot be done.
        for key, model in resolved.models.items():
            require_checker(path, key, model)
        rows = {key: read_rows(key, task) for key, task in resolved.tasks.items()} if self.tasks else {}
        for pairs in resolved.evaluation.similarity.values():
            pairs.read()  # a wrong table is told at once
        starts = {key: inspect_checkpoint(path, key, resolved) for key in resolved.models}
        directory = RunDirectory(path, resolved)
        try:
            return self.work(directory, resolved, name, rows, starts)
        finally:
            directory.close()

    def work(
        self,
        directory: RunDirectory,
        recipe: Recipe,
        name: str,
        rows: dict[str, TaskRows],
        looked: dict[str, dict[str, Any] | None],
    ) -> dict[str, Any]:
        began = directory.record_once("started", lambda: {"time": now()})
        machine = recorded(directory.record_once("machine", lambda: recipe.machine.resolve().facts()))
        machine.apply()
        watch = followed(self.watch, recipe, directory.path)
        starts = {key: pin_checkpoint(directory, key, model, looked[key]) for key, model in recipe.models.items()}
        for key, model in recipe.models.items():
            pin_data_files(directory, key, model.objective)
        for key, found in rows.items():
            bind_rows(directory, key, found)
        data, facts = prepare(directory, recipe, self.say)
        for key, start in starts.items():
            if start and not directory.finished(f"pretrain/{key}"):
                refuse_other_tokenizer(start["folder"], data.tokenizer)
        beside = directory.stage("baselines", lambda: baselines(data, recipe.evaluation))
        results = {
            "schema": 1,
            "version": danlu.__version__,
            "recipe": name,
            "command": self.command(directory.path),
            "started": began["time"],
            "recipe_text": (directory.path / "recipe.yaml").read_text("utf-8"),
            **facts,
            "text_read": any(model.objective.reads_tokens for model in recipe.models.values()),
            "pretrain": [],
            "tasks": [],
            "exports": [],
            "environment": environment(machine),
        }
        trained: dict[str, Pretrained] = {}
        jobs = {
            key: Pretraining(directory, key, model, data, machine, watch, self.stop, start=starts[key], say=self.say)
            for key, model in recipe.models.items()
        }
        check_later(directory, jobs)
        for key, job in jobs.items():
            job.earlier = {name: one.load for name, one in trained.items()}
            trained[key] = one_model(job, recipe, beside, results, self.say)
        for key, task in recipe.tasks.items() if self.tasks else ():
            tuning = Finetuning(directory, machine, watch, self.stop, trained[task.model], key, task, rows[key])
            results["tasks"].append(finetune_task(tuning, self.say))
        results["use"] = usage(directory.path, recipe)
        results["seconds"] = directory.seconds
        write_json(directory.path / "results.json", results)
        write_report(directory.path, recipe.language)
        return read_json(directory.path / "results.json")

    def command(self, out: Path) -> str:
        """The command line that repeats it; a recipe that was made in Python is the file in the run's own folder."""
        given = str(out / "recipe.yaml") if isinstance(self.recipe, Recipe) else str(self.recipe)
        options = {
            "--budget": self.budget,
            "--from": self.choice.start,
            "--model": self.choice.model,
            "--out": str(out),
        }
        words = [word for option, value in options.items() if value for word in (option, value)]
        return shlex.join(["danlu", "run" if self.tasks else "pretrain", given, *self.overrides, *words])


def followed(watch: Watch, recipe: Recipe, path: Path) -> Watch:
    """`watch`, and the recipe's tracker told of every record too."""
    if recipe.track is None:
        return watch
    track = recipe.track.open(path)

    def both(record: dict[str, Any], plan: Any) -> None:
        track(record)
        watch(record, plan)

    return both


def check_later(directory: RunDirectory, jobs: Mapping[str, Pretraining]) -> None:
    """WrongInput, before the first model trains, for what would end a later one; what needs an earlier model to be
    looked at is looked at when that has trained."""
    for key, job in list(jobs.items())[1:]:
        if not directory.finished(f"pretrain/{key}") and not job.recipe.objective.referenced_models():
            job.checked()


def one_model(
    job: Pretraining, recipe: Recipe, beside: dict[str, Any], results: dict[str, Any], say: Say
) -> Pretrained:
    """Train, evaluate and export one model; its entries go into `results`."""
    if job.start:
        say(f"{job.name:10s} starts from {job.start['folder']} (weights {job.start['sha256'][:12]})")
    stage = f"pretrain/{job.name}"
    facts = job.run.stage(stage, job.work)
    outcome = job.run.stage(f"evaluate/{job.name}", lambda: evaluate(job, facts, recipe.evaluation, beside))
    say_outcome(job.name, job.recipe.objective, outcome, say)
    about = {
        "name": job.name,
        "objective": job.recipe.objective.name,
        "architecture": job.recipe.architecture.name,
    }
    results["pretrain"].append(about | facts | outcome)
    exported = job.run.stage(f"export/{job.name}", lambda: export_model(job, facts))
    say_export(job.name, exported, say)
    results["exports"].append(exported)
    chosen, source = job.recipe, recipe.corpus.source
    return Pretrained(
        chosen.objective, chosen.architecture, job.data.tokenizer, job.vocabulary_size, source,
        lambda: job.trained(facts),
    )  # fmt: skip


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def usage(path: Path, recipe: Recipe) -> dict[str, Any]:
    """How to use what the run made."""
    able = {k: m for k, m in recipe.models.items() if m.objective.continues_text or rewrites(m.objective)}
    speaks = next(iter(able), None)
    folder = path / "model" / (speaks or next(iter(recipe.models)))
    if speaks is None:
        return {"shell": [], "python": f'import danlu\n\nmodel = danlu.load("{folder}")\n'}
    chosen = recipe.models[speaks]
    prompt = next(iter(chosen.prompts), "The ___" if chosen.objective.needs_blank else "The")
    return {
        "shell": [f"danlu generate {folder} {prompt!r}"],
        "python": f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.generate({prompt!r}))\n',
    }
