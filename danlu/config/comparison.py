"""Merge several recipes into one: the same corpus, tokenizer, budget and task, and each model once per seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from danlu.config.schema import ModelRecipe, Recipe, TaskRecipe
from danlu.errors import WrongInput, nearest
from danlu.training.budget import Budget


@dataclass(frozen=True)
class SharedSection:
    """A section that must be equal in all recipes."""

    value: Callable[[Recipe], Any]
    override: str  # an override that sets it for all recipes


SHARED_SECTIONS = {
    "corpus": SharedSection(lambda recipe: recipe.corpus, "corpus.source=TEXT"),
    "tokenizer": SharedSection(lambda recipe: recipe.tokenizer, "tokenizer.size=4096"),
    "machine": SharedSection(lambda recipe: recipe.machine, "machine.threads=1"),
    "evaluation": SharedSection(lambda recipe: recipe.evaluation, "evaluation.ngram=5"),
}

IGNORED_SETTINGS = ("prompts", "sampling", "training.budget", "training.seed")
"""Settings of a model that a comparison overrides or does not use."""


@dataclass(frozen=True)
class Comparison:
    """Several recipes merged into one. The trainings of model NAME are the models NAME-0, NAME-1, ... of `recipe`."""

    recipe: Recipe
    names: tuple[str, ...]  # compared models
    seeds: int  # trainings of each model
    task: str | None  # the task that all models are fine-tuned for

    def training_names(self, name: str) -> list[str]:
        """Return the names that the trainings of a compared model have in the recipe."""
        return [f"{name}-{seed}" for seed in range(self.seeds)]

    def task_name(self, training: str) -> str:
        """Return the name that the task of one training has in the recipe."""
        return f"{self.task}-{training}"


def build_comparison(recipes: Mapping[str, Recipe], budget: Budget, seeds: int, task: str | None = None) -> Comparison:
    """Merge recipes into one that trains each model once per seed and fine-tunes all for one task.

    A model that another one refers to is replaced by its training with the same seed.

    Args:
        recipes: the recipes by name.
        budget: budget of each training.
        seeds: number of trainings of each model.
        task: name of the task; None: the first of the recipes, if there is one.

    Raises:
        WrongInput: if the recipes differ in a section of `SHARED_SECTIONS` or in the task, the task is incompatible
            with a model, or there are fewer than two models.
    """
    first, *others = recipes
    for name, section in SHARED_SECTIONS.items():
        for other in others:
            if section.value(recipes[other]) != section.value(recipes[first]):
                raise WrongInput(
                    f"{other} and {first} have different settings in {name}; a comparison needs the same for all: "
                    f"set them after the recipes, such as {section.override}"
                )
    names = {
        key: {name: comparison_name(key, name, recipes) for name in recipe.models} for key, recipe in recipes.items()
    }
    models = {
        names[key][name]: (key, model) for key, recipe in recipes.items() for name, model in recipe.models.items()
    }
    if len(models) < sum(map(len, names.values())):
        raise WrongInput(f"two models of {', '.join(recipes)} would have the same name; rename one of the recipes")
    if len(models) < 2:
        raise WrongInput(f"{first} has only one model; name another recipe to compare it with")
    task_name, template = find_shared_task(recipes, task)
    trainings, tasks = {}, {}
    for name, (key, model) in models.items():
        if template is not None:
            check_task(template, task_name, name, model)
        for seed in range(seeds):
            trainings[f"{name}-{seed}"] = recipe_for_seed(model, budget, seed, names[key])
            if template is not None:
                # distinct seeds, so that each training is also compared with different random weights
                update = {"model": f"{name}-{seed}", "first_seed": template.first_seed + seed * template.seeds}
                tasks[f"{task_name}-{name}-{seed}"] = template.model_copy(update=update)
    base = recipes[first]
    evaluation = base.evaluation.model_copy(update={"documents": True})
    recipe = base.model_copy(update={"models": trainings, "tasks": tasks, "evaluation": evaluation})
    return Comparison(recipe, tuple(models), seeds, task_name)


def comparison_name(key: str, name: str, recipes: Mapping[str, Recipe]) -> str:
    """Return the name of a model in the comparison.

    It is the model's own name if there is one recipe, the recipe's name if the recipe has one model, otherwise both.
    """
    if len(recipes) == 1:
        return name
    return key if len(recipes[key].models) == 1 else f"{key}-{name}"


def recipe_for_seed(model: ModelRecipe, budget: Budget, seed: int, names: Mapping[str, str]) -> ModelRecipe:
    """Return the recipe of one training of a model.

    Args:
        names: name in the recipe -> name in the comparison, of all models of the same recipe. Embeddings with another
            name are those of a folder.
    """
    embeddings, objective = model.embeddings, model.objective
    if embeddings is not None and embeddings in names:
        embeddings = f"{names[embeddings]}-{seed}"
    references = {setting: f"{names[name]}-{seed}" for setting, name in objective.referenced_models().items()}
    return model.model_copy(
        update={
            "objective": objective.model_copy(update=references),
            "embeddings": embeddings,
            "training": model.training.model_copy(update={"budget": budget, "seed": seed}),
            "prompts": [],
        }
    )


def check_task(task: TaskRecipe, name: str | None, model_name: str, model: ModelRecipe) -> None:
    """Raise WrongInput if a model cannot be fine-tuned for the task."""
    if problem := task.task.check(model.objective, model.architecture, repr(model_name)):
        place = ".".join(("tasks", str(name), *problem.place))
        raise WrongInput(f"{place}: {problem.sentence}; or compare without a task: add tasks={{}} after the recipes")


def find_shared_task(recipes: Mapping[str, Recipe], name: str | None) -> tuple[str | None, TaskRecipe | None]:
    """Return the name and recipe of the task; both are None if there is none.

    Raises:
        WrongInput: if no recipe has the task, or two recipes differ in it by more than the model.
    """
    tasks: dict[str, TaskRecipe] = {}
    for recipe in recipes.values():
        tasks |= {key: task for key, task in recipe.tasks.items() if key not in tasks}
    if not tasks and name is None:
        return None, None
    selected = next(iter(tasks)) if name is None else name
    if selected not in tasks:
        raise WrongInput(f"--task: the recipes have no task {selected!r}; {nearest(selected, tasks)}")
    task = tasks[selected]
    for key, recipe in recipes.items():
        other = recipe.tasks.get(selected, task)
        if other.model_copy(update={"model": task.model}) != task:
            raise WrongInput(
                f"{key} has different settings for task {selected!r}; make them equal, or choose another with --task"
            )
    return selected, task


def differing_settings(models: Mapping[str, ModelRecipe]) -> dict[str, dict[str, Any]]:
    """Return {model: {dotted key: value}} of the settings that are not the same in all models.

    A value is None if the model does not have the setting. `IGNORED_SETTINGS` are left out, as are the settings of
    objectives or architectures if not all models have the same one.
    """
    kinds = {
        "objective": {model.objective.name for model in models.values()},
        "architecture": {model.architecture.name for model in models.values()},
    }
    ignored = (*IGNORED_SETTINGS, *(section for section, names in kinds.items() if len(names) > 1))
    settings = {name: dict(flatten_settings(model.model_dump(mode="json"))) for name, model in models.items()}
    keys = dict.fromkeys(key for values in settings.values() for key in values if not key.startswith(ignored))
    differing = [key for key in keys if len({repr(values.get(key)) for values in settings.values()}) > 1]
    return {name: {key: values.get(key) for key in differing} for name, values in settings.items()}


def flatten_settings(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for all values of nested settings."""
    if not isinstance(settings, dict):
        yield prefix, settings
        return
    for key, value in settings.items():
        yield from flatten_settings(value, f"{prefix}.{key}" if prefix else key)
