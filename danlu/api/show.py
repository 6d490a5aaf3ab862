"""`danlu.show`: forecast the parameters, operations, memory and time of a recipe, and show its examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from danlu.api.request import resolve_recipe
from danlu.config.schema import Recipe
from danlu.console.reporter import Say, print_line, reporter
from danlu.runs.directory import RunDirectory
from danlu.runs.example_display import decode_example
from danlu.runs.prepare_data import prepare_data
from danlu.runs.pretrain_model import Pretraining
from danlu.runs.warm_start import initialise_from, inspect_checkpoint, pin_checkpoint
from danlu.training.forecast import forecast
from danlu.training.training_options import apply_training_options


def show(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    budget: str | None = None,
    timed: bool = False,
    say: Say | None = print_line,
    quiet: bool = False,
) -> dict[str, Any]:
    """Return the forecast of a recipe, ready for JSON, without running it.

    The text is read and a tokenizer is trained as in a run, since sizes and examples depend on them. Only the cache is
    written.

    Args:
        timed: also measure the time of a few steps of each model.
        recipe, overrides, budget, say, quiet: as in `danlu.run`.

    Returns:
        {"recipe", "corpus", "tokenizer", "machine", "models": {name: forecast and examples}}
    """
    resolved = resolve_recipe(recipe, overrides, budget)
    machine = resolved.machine.resolve()
    machine.apply()
    emit = reporter(say, quiet=quiet)
    with TemporaryDirectory() as folder, RunDirectory(Path(folder) / "show", resolved) as run:
        prepared = prepare_data(run, resolved, emit)
        models, earlier = {}, {}
        for name, model in resolved.models.items():
            start = pin_checkpoint(run, name, model, inspect_checkpoint(run.path, name, resolved))
            job = Pretraining(run, name, model, prepared.data, machine, start=start, earlier={**earlier})
            earlier[name] = job.build_untrained
            names = {"objective": model.objective.name, "architecture": model.architecture.name}
            models[name] = names | model_forecast(job, timed) | {"examples": decode_example(job)}
    return {
        "recipe": resolved.model_dump(mode="json"),
        "corpus": prepared.corpus,
        "tokenizer": prepared.tokenizer,
        "machine": machine.facts(),
        "models": models,
    }


def model_forecast(job: Pretraining, timed: bool) -> dict[str, Any]:
    """Return the forecast of one model: sizes, operations, memory and, if `timed`, time."""
    samples, settings = job.training_samples(), job.recipe.training
    model = job.build_network()
    start = job.start and job.start | initialise_from(model, job.start, job.name)
    model.to(job.machine.device)
    apply_training_options(model, settings)
    job.check()
    validate = job.validation().measure
    return forecast(model, job.recipe.objective, samples, settings, job.machine, validate, timed) | {
        "tokens_per_epoch": round(samples.units * samples.tokens_per_unit),
        "start": start,
    }
