"""`danlu.pretrain`: the models of a recipe without its tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from danlu.api.model_folders import PRETRAIN, choose_model
from danlu.api.request import run_request
from danlu.config.schema import Recipe
from danlu.config.start_defaults import RecipeSelection
from danlu.console.reporter import Say, Watch, print_line, reporter
from danlu.runs import run as runs
from danlu.runs.events import never


def pretrain(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    budget: str | None = None,
    start: str | Path | None = None,
    model: str | None = None,
    say: Say | None = print_line,
    watch: Watch | None = None,
    stop: Callable[[], bool] = never,
    quiet: bool = False,
) -> dict[str, Any]:
    """Pre-train the models of a recipe, without its tasks; `danlu.run` on the same directory adds those.

    `recipe.yaml` in the run directory contains the selected model and start; run that file to continue.

    Args:
        start: a model folder, danlu's own or a Hugging Face one, or a run directory. The pre-training of its model is
            continued: it replaces the model and tokenizer of the recipe, while corpus, training settings and prompts
            remain those of the recipe.
        model: train only this model of the recipe.
        recipe, overrides, out, budget, say, watch, stop, quiet: as in `danlu.run`.

    Returns:
        The content of results.json.
    """
    if start is not None:
        start = choose_model(start, PRETRAIN, None if quiet else say, model)
    selection = RecipeSelection(model, None if start is None else str(start))
    request = run_request(recipe, overrides, out, budget, selection, with_tasks=False)
    return runs.run(request, reporter(say, watch, quiet), stop)
