"""What a recipe will do, before it is done: resolved settings, parameters, work, memory, time, decoded examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from danlu.config.schema import Recipe
from danlu.runs.directory import RunDirectory
from danlu.runs.example_display import decoded_example
from danlu.runs.prepare_data import prepare
from danlu.runs.pretrain_model import Pretraining
from danlu.runs.run import Say, quiet, resolve
from danlu.runs.warm_start import initialise_from, inspect_checkpoint, pin_checkpoint
from danlu.training.forecast import forecast
from danlu.training.training_options import apply_training_options


def show(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    budget: str | None = None,
    timed: bool = False,
    say: Say = quiet,
) -> dict[str, Any]:
    """{"recipe", "corpus", "tokenizer", "machine", "models": {name: forecast and examples}}, ready for JSON.

    The arguments are those of `run`; timed: also time a few steps of each model. The text is read and a tokenizer
    learnt as a run would, since sizes and examples depend on them; nothing is left behind but the cache.
    """
    resolved = resolve(recipe, overrides, budget)
    machine = resolved.machine.resolve()
    machine.apply()
    with TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "show", resolved)
        try:
            data, facts = prepare(run, resolved, say)
            models, earlier = {}, {}
            for name, model in resolved.models.items():
                start = pin_checkpoint(run, name, model, inspect_checkpoint(run.path, name, resolved))
                job = Pretraining(
                    run, name, model, data, machine, lambda record, plan: None, lambda: False, {**earlier}, start
                )
                earlier[name] = job.untrained
                models[name] = {"objective": model.objective.name, "architecture": model.architecture.name}
                models[name] |= prospects(job, timed) | {"examples": decoded_example(job)}
        finally:
            run.close()
    return {"recipe": resolved.model_dump(mode="json"), **facts, "machine": machine.facts(), "models": models}


def prospects(job: Pretraining, timed: bool) -> dict[str, Any]:
    """The forecast of one model."""
    samples, settings = job.samples("train", job.recipe.training.seed), job.recipe.training
    model = job.fresh()
    start = job.start and job.start | initialise_from(model, job.start, job.name)
    model.to(job.machine.device)
    apply_training_options(model, settings)
    validate, _ = job.checked()
    return forecast(model, job.recipe.objective, samples, settings, job.machine, validate, timed) | {
        "tokens_per_epoch": round(samples.units * samples.tokens_per_unit),
        "start": start,
    }
