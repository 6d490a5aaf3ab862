"""What a recipe will do, before it is done: resolved settings, parameters, decoded examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from danlu.recipes.schema import Recipe
from danlu.stages.preparation import prepare
from danlu.stages.pretraining import Pretraining, decoded_example
from danlu.stages.run import Say, quiet, resolve
from danlu.stages.run_directory import RunDirectory
from danlu.training.precision import resolve_machine


def show(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    budget: str | None = None,
    say: Say = quiet,
) -> dict[str, Any]:
    """{"recipe", "corpus", "tokenizer", "machine", "models": {name: sizes and examples}}, ready for JSON.

    The arguments are those of `run`. The text is read and a tokenizer
    learnt as a run would, since sizes and examples depend on them; nothing is left behind but the cache.
    """
    resolved = resolve(recipe, overrides, budget)
    machine = resolve_machine(resolved.machine.dtype, resolved.machine.threads)
    machine.apply()
    with TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder) / "show", resolved)
        try:
            data, facts = prepare(run, resolved, say)
            models = {}
            for name, model in resolved.models.items():
                job = Pretraining(run, name, model, data, machine, lambda record, plan: None, lambda: False)
                models[name] = {"objective": model.objective.name, "architecture": model.architecture.name}
                models[name] |= size_facts(job) | {"examples": decoded_example(job)}
        finally:
            run.close()
    return {"recipe": resolved.model_dump(mode="json"), **facts, "machine": machine.facts(), "models": models}


def size_facts(job: Pretraining) -> dict[str, Any]:
    """Parameters, and tokens of a step and of an epoch."""
    draws, settings = job.draws("train", job.recipe.training.seed), job.recipe.training
    step_units = max(1, round(settings.batch_tokens / draws.tokens_per_unit))
    return {
        "parameters": {"total": sum(p.numel() for p in job.fresh().parameters())},
        "tokens_per_step": round(step_units * draws.tokens_per_unit),
        "tokens_per_epoch": round(draws.units * draws.tokens_per_unit),
    }
