"""Turn the arguments of `danlu.run` and `danlu.pretrain` into the request of a run."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from danlu.config.loading import dump_recipe, load_recipe, parse_recipe
from danlu.config.schema import Recipe
from danlu.config.start_defaults import WHOLE_RECIPE, RecipeSelection
from danlu.errors import WrongInput
from danlu.runs.run import RunRequest
from danlu.training.budget import parse_budget


def resolve_recipe(
    recipe: str | Path | Recipe,
    overrides: Sequence[str] = (),
    budget: str | None = None,
    selection: RecipeSelection = WHOLE_RECIPE,
) -> Recipe:
    """Load a recipe by name or file, apply the overrides and scale its time budgets to `budget`."""
    if isinstance(recipe, Recipe):
        loaded = recipe if selection == WHOLE_RECIPE else parse_recipe(dump_recipe(recipe), "the recipe", (), selection)
    else:
        loaded = load_recipe(str(recipe), overrides, selection)
    if budget is None:
        return loaded
    try:
        amount = parse_budget(budget)
        if amount.unit != "seconds":
            raise ValueError(f"{budget!r} is not a time such as 4min")
        return loaded.with_time(amount.amount)
    except ValueError as error:
        raise WrongInput(f"--budget: {error}") from None


def run_directory(recipe: str | Path | Recipe, out: str | Path | None = None) -> Path:
    """Return the directory of a run: `out`; by default runs/<name>, or that of the run for its own recipe.yaml."""
    if out is not None:
        return Path(out)
    if isinstance(recipe, Recipe):
        return Path("runs") / "recipe"
    file = Path(recipe)
    if file.name == "recipe.yaml" and (file.parent / "metrics.jsonl").is_file():
        return file.parent
    return Path("runs") / file.stem


def run_request(
    recipe: str | Path | Recipe,
    overrides: Sequence[str],
    out: str | Path | None,
    budget: str | None,
    selection: RecipeSelection = WHOLE_RECIPE,
    with_tasks: bool = True,
) -> RunRequest:
    """Return the request of a run, with the command line that repeats it."""
    name = "recipe" if isinstance(recipe, Recipe) else Path(recipe).stem
    path = run_directory(recipe, out)
    # a recipe built in Python is repeated from the file in its run directory
    given = str(path / "recipe.yaml") if isinstance(recipe, Recipe) else str(recipe)
    options = {"--budget": budget, "--from": selection.start, "--model": selection.model, "--out": str(path)}
    words = [word for option, value in options.items() if value for word in (option, value)]
    command = shlex.join(["danlu", "run" if with_tasks else "pretrain", given, *overrides, *words])
    resolved = resolve_recipe(recipe, overrides, budget, selection)
    return RunRequest(resolved, name, path, command, with_tasks)
