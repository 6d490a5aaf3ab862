"""Run a recipe: from raw text to models, tasks, results and report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.architectures import Network
from danlu.config.schema import Recipe
from danlu.report.page import write_report
from danlu.results import ExportResult, ModelResult, TaskResult, write_results
from danlu.runs.collect_results import collect_results, now
from danlu.runs.data_files import pin_data_files
from danlu.runs.directory import RunDirectory
from danlu.runs.evaluate_model import baselines, evaluate_model
from danlu.runs.events import Emit, ModelEvaluated, ModelExported, WarmStarted, ignore, never, with_records
from danlu.runs.example_version import pin_example_version
from danlu.runs.export_model import export_model
from danlu.runs.finetune_task import Finetuning, Pretrained, finetune_task, pin_rows
from danlu.runs.judge_training import Advise, advise_on_run, with_option
from danlu.runs.preflight import Preflight, check_models, preflight
from danlu.runs.prepare_data import prepare_data
from danlu.runs.pretrain_model import Pretraining
from danlu.runs.warm_start import pin_checkpoint, refuse_other_tokenizer
from danlu.tokens.tokenizer import TextTokenizer


@dataclass(frozen=True)
class RunRequest:
    """A recipe to run, and the directory to run it in."""

    recipe: Recipe
    name: str  # of the recipe, in the report
    path: Path  # of the run directory
    command: str  # the command line that repeats the run
    with_tasks: bool = True
    advise: Advise | None = None  # on longer budgets; None: `--budget` of `danlu run`


@dataclass(frozen=True)
class FinishedModel:
    """A model of the run that has been trained, evaluated and exported."""

    job: Pretraining
    result: ModelResult
    export: ExportResult
    load: Callable[[], Network]


def run(request: RunRequest, emit: Emit = ignore, stop: Callable[[], bool] = never) -> dict[str, Any]:
    """Run a recipe from raw text to report, or resume an interrupted run; return the content of results.json.

    Raises:
        WrongInput: if the recipe is refused; a new run directory is removed.
        Stopped: if `stop` returned True; the state is saved, and the same request resumes the run.
    """
    recipe, path = request.recipe, request.path
    checks = preflight(path, recipe, request.with_tasks)
    with RunDirectory(path, recipe) as directory:
        with directory.discard_if_refused():
            started = directory.record_once("started", lambda: {"time": now()})["time"]
            directory.record_once("machine", checks.machine.facts)
            checks.machine.apply()
            starts = pin_inputs(directory, recipe, checks)
            emit = with_tracker(emit, recipe, path)
            prepared = prepare_data(directory, recipe, emit)
            refuse_other_tokenizers(directory, starts, prepared.data.tokenizer)
            jobs = {
                name: Pretraining(directory, name, model, prepared.data, checks.machine, emit, stop, starts[name])
                for name, model in recipe.models.items()
            }
            check_models(jobs)

        controls = directory.stage("baselines", lambda: baselines(prepared.data, recipe.evaluation))
        models: dict[str, FinishedModel] = {}
        advise = request.advise or advise_on_run(recipe)
        for name, job in jobs.items():
            job.earlier = {earlier: model.load for earlier, model in models.items()}
            models[name] = train_evaluate_export(job, recipe, controls, advise)
        tasks = [
            finetune(directory, name, recipe, models, checks, emit, stop, advise)
            for name in (recipe.tasks if request.with_tasks else ())
        ]
        results = collect_results(
            directory, recipe, prepared, started, checks.machine,
            recipe_name=request.name, command=request.command,
            models=[model.result for model in models.values()],
            tasks=tasks, exports=[model.export for model in models.values()],
        )  # fmt: skip
        facts = write_results(path / "results.json", results)
        write_report(path, recipe.language)
        return facts


def pin_inputs(directory: RunDirectory, recipe: Recipe, checks: Preflight) -> dict[str, dict[str, Any] | None]:
    """Pin the inputs of the run: saved models, data files, rows of tasks. Return the facts of the saved models."""
    starts = {}
    for name, model in recipe.models.items():
        starts[name] = pin_checkpoint(directory, name, model, checks.checkpoints[name])
        pin_data_files(directory, name, model.objective)
        pin_example_version(directory, name, model.objective)
    for name, rows in checks.rows.items():
        pin_rows(directory, name, rows)
    return starts


def refuse_other_tokenizers(
    directory: RunDirectory, starts: Mapping[str, dict[str, Any] | None], tokenizer: TextTokenizer
) -> None:
    """Raise WrongInput if the tokenizer differs from that of a saved model from which training has yet to start."""
    for name, start in starts.items():
        if start and not directory.is_finished(f"pretrain/{name}"):
            refuse_other_tokenizer(start["folder"], tokenizer)


def with_tracker(emit: Emit, recipe: Recipe, path: Path) -> Emit:
    """Return a callback that also passes training records to the recipe's tracker."""
    return emit if recipe.track is None else with_records(emit, recipe.track.open(path))


def train_evaluate_export(
    job: Pretraining, recipe: Recipe, controls: Mapping[str, Any], advise: Advise
) -> FinishedModel:
    """Train, evaluate and export one model; finished steps are read from the run directory."""
    name, objective = job.name, job.recipe.objective
    if job.start:
        job.emit(WarmStarted(name, job.start["folder"], job.start["sha256"]))
    trained = job.run.stage(f"pretrain/{name}", job.train)
    evaluated = job.run.stage(f"evaluate/{name}", lambda: evaluate_model(job, trained, recipe.evaluation, controls))
    about = {"name": name, "objective": objective.name, "architecture": job.recipe.architecture.name}
    judged = with_option(trained, f"models.{name}", job.recipe.training.budget, advise)
    result = ModelResult.model_validate(about | judged | evaluated)
    cross_entropies = frozenset(term for term in objective.terms if objective.is_cross_entropy(term))
    job.emit(ModelEvaluated(result, cross_entropies, objective.has_own_units))
    exported = ExportResult.model_validate(job.run.stage(f"export/{name}", lambda: export_model(job, trained)))
    job.emit(ModelExported(exported))
    return FinishedModel(job, result, exported, lambda: job.load_trained(trained))


def finetune(
    directory: RunDirectory,
    name: str,
    recipe: Recipe,
    models: Mapping[str, FinishedModel],
    checks: Preflight,
    emit: Emit,
    stop: Callable[[], bool],
    advise: Advise,
) -> TaskResult:
    """Fine-tune a model of the run for one task."""
    task = recipe.tasks[name]
    model = models[task.model]
    job = model.job
    pretrained = Pretrained(
        job.recipe.objective, job.recipe.architecture, job.data.tokenizer, job.vocabulary_size, recipe.corpus.source,
        model.load, model.result.sufficiency,
    )  # fmt: skip
    tuning = Finetuning(directory, checks.machine, emit, stop, pretrained, name, task, checks.rows[name], advise)
    return TaskResult.model_validate(finetune_task(tuning))
