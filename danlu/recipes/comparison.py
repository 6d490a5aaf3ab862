"""Several recipes as one: the same corpus, tokenizer and budget, every model once for each seed, one task for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from danlu.errors import WrongInput, nearest
from danlu.recipes.schema import ModelRecipe, Recipe, TaskRecipe
from danlu.training.budget import Budget

SHARED = ("corpus", "tokenizer", "machine")


@dataclass(frozen=True)
class Comparison:
    """`recipe` runs everything. A model called NAME in `names` is NAME-0, NAME-1, ... there, and so is its task."""

    recipe: Recipe
    names: tuple[str, ...]
    seeds: int
    task: str | None

    def members(self, name: str) -> list[str]:
        """What the models of one name are called in the run."""
        return [f"{name}-{seed}" for seed in range(self.seeds)]

    def fine_tuned(self, member: str) -> str:
        """What the task of one model of the run is called."""
        return f"{self.task}-{member}"


def compared(recipes: Mapping[str, Recipe], budget: Budget, seeds: int, task: str | None = None) -> Comparison:
    """recipes by the names they were given by; task: which of their tasks all models are fine-tuned for (None: the
    first, if there is one). WrongInput when corpus, tokenizer or machine differ, or nothing is to be compared."""
    first, *others = recipes
    for field in SHARED:
        for other in others:
            if getattr(recipes[other], field) != getattr(recipes[first], field):
                raise WrongInput(
                    f"{other} has another {field} than {first}; a comparison needs one: "
                    f"set it for all, such as {field}.name=... behind the recipes"
                )
    models = {
        key if len(recipe.models) == 1 else f"{key}-{name}": model
        for key, recipe in recipes.items()
        for name, model in recipe.models.items()
    }
    if len(models) < 2:
        raise WrongInput(f"{first} holds one model; name another recipe to compare it with")
    chosen, template = shared_task(recipes, task)
    every, tasks = {}, {}
    for name, model in models.items():
        for seed in range(seeds):
            every[f"{name}-{seed}"] = seeded(model, budget, seed)
            if template is not None:
                tasks[f"{chosen}-{name}-{seed}"] = template.model_copy(update={"model": f"{name}-{seed}"})
    whole = recipes[first]
    evaluation = whole.evaluation.model_copy(update={"documents": True})
    recipe = whole.model_copy(update={"models": every, "tasks": tasks, "evaluation": evaluation})
    return Comparison(recipe, tuple(models), seeds, chosen)


def seeded(model: ModelRecipe, budget: Budget, seed: int) -> ModelRecipe:
    return model.model_copy(
        update={"training": model.training.model_copy(update={"budget": budget, "seed": seed}), "prompts": []}
    )


def shared_task(recipes: Mapping[str, Recipe], name: str | None) -> tuple[str | None, TaskRecipe | None]:
    """(name, task); the first that has a name keeps it."""
    tasks: dict[str, TaskRecipe] = {}
    for recipe in recipes.values():
        tasks = recipe.tasks | tasks
    if name is None:
        return next(iter(tasks.items()), (None, None))
    if name not in tasks:
        raise WrongInput(f"no task is called {name!r} in the recipes; {nearest(name, tasks)}")
    return name, tasks[name]
