"""Several recipes as one: the same corpus, tokenizer and budget, every model once for each seed, one task for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from danlu.errors import WrongInput, nearest
from danlu.recipes.schema import ModelRecipe, Recipe, TaskRecipe, unfit
from danlu.training.budget import Budget
from danlu.traits import models_named

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
    first, if there is one). A model that another one of its recipe uses is there the one of the same seed. WrongInput
    when corpus, tokenizer or machine differ, a model does not fit the task, or nothing is to be compared."""
    first, *others = recipes
    for field in SHARED:
        for other in others:
            if getattr(recipes[other], field) != getattr(recipes[first], field):
                raise WrongInput(
                    f"{other} has another {field} than {first}; a comparison needs one: "
                    f"set it for all, such as {field}.name=... behind the recipes"
                )
    names = {key: {name: called(key, name, recipes) for name in recipe.models} for key, recipe in recipes.items()}
    models = {
        names[key][name]: (key, model) for key, recipe in recipes.items() for name, model in recipe.models.items()
    }
    if len(models) < sum(map(len, names.values())):
        raise WrongInput(f"two models of {', '.join(recipes)} would have one name; copy a recipe under another name")
    if len(models) < 2:
        raise WrongInput(f"{first} holds one model; name another recipe to compare it with")
    chosen, template = shared_task(recipes, task)
    every, tasks = {}, {}
    for name, (key, model) in models.items():
        if template is not None:
            refuse_unfit(template, chosen, name, model)
        for seed in range(seeds):
            every[f"{name}-{seed}"] = seeded(model, budget, seed, names[key])
            if template is not None:
                tasks[f"{chosen}-{name}-{seed}"] = template.model_copy(update={"model": f"{name}-{seed}"})
    whole = recipes[first]
    evaluation = whole.evaluation.model_copy(update={"documents": True})
    recipe = whole.model_copy(update={"models": every, "tasks": tasks, "evaluation": evaluation})
    return Comparison(recipe, tuple(models), seeds, chosen)


def called(key: str, name: str, recipes: Mapping[str, Recipe]) -> str:
    """What a model of a recipe is called here: its own name says enough in a single recipe, the recipe's where it holds
    one model."""
    if len(recipes) == 1:
        return name
    return key if len(recipes[key].models) == 1 else f"{key}-{name}"


def seeded(model: ModelRecipe, budget: Budget, seed: int, names: Mapping[str, str]) -> ModelRecipe:
    """One training of a model. `names`: what the models of its recipe are called here, without the seed; embeddings
    that are none of them are those of a folder."""
    given, objective = model.embeddings, model.objective
    if given is not None and given in names:
        given = f"{names[given]}-{seed}"
    used = {setting: f"{names[name]}-{seed}" for setting, name in models_named(objective).items()}
    return model.model_copy(
        update={
            "objective": objective.model_copy(update=used),
            "embeddings": given,
            "training": model.training.model_copy(update={"budget": budget, "seed": seed}),
            "prompts": [],
        }
    )


def refuse_unfit(task: TaskRecipe, name: str | None, who: str, model: ModelRecipe) -> None:
    """WrongInput when one of the models cannot be fine-tuned for the task of all."""
    if found := unfit(task, repr(who), model.objective, model.architecture):
        place = ".".join(("tasks", str(name), *found.place))
        raise WrongInput(f"{place}: {found.sentence}; or compare without a task: tasks={{}} behind the recipes")


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
