"""Several recipes as one: the same corpus, tokenizer and budget, every model once for each seed, one task for all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from danlu.config.schema import ModelRecipe, Recipe, TaskRecipe
from danlu.errors import WrongInput, nearest
from danlu.training.budget import Budget

pass

SHARED = {
    "corpus": "corpus.source=TEXT",
    "tokenizer": "tokenizer.size=4096",
    "machine": "machine.threads=1",
    "evaluation": "evaluation.ngram=5",
}
"""What all recipes must have alike, and a word that sets some of it for all."""

OWN = ("prompts", "sampling", "training.budget", "training.seed")
"""Settings of a model that a comparison sets itself or does not use."""

PARTS = ("objective", "architecture")
"""What has settings of its own: set side by side where all models have the same kind."""


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
    when what `SHARED` names or the task differs, a model does not fit the task, or nothing is to be compared."""
    first, *others = recipes
    for field, example in SHARED.items():
        for other in others:
            if getattr(recipes[other], field) != getattr(recipes[first], field):
                raise WrongInput(
                    f"{other} has another {field} than {first}; a comparison needs one: "
                    f"set it for all, such as {example} behind the recipes"
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
                # seeds of its own for each training, or the random weights of all would be one and the same
                own = {"model": f"{name}-{seed}", "first_seed": template.first_seed + seed * template.seeds}
                tasks[f"{chosen}-{name}-{seed}"] = template.model_copy(update=own)
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
    used = {setting: f"{names[name]}-{seed}" for setting, name in objective.referenced_models().items()}
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
    if found := task.task.check(model.objective, model.architecture, repr(who)):
        place = ".".join(("tasks", str(name), *found.place))
        raise WrongInput(f"{place}: {found.sentence}; or compare without a task: tasks={{}} behind the recipes")


def shared_task(recipes: Mapping[str, Recipe], name: str | None) -> tuple[str | None, TaskRecipe | None]:
    """(name, task). WrongInput where two recipes mean different tasks by it, whatever model it is of in each."""
    tasks: dict[str, TaskRecipe] = {}
    for recipe in recipes.values():
        tasks |= {key: found for key, found in recipe.tasks.items() if key not in tasks}
    if not tasks and name is None:
        return None, None
    chosen = next(iter(tasks)) if name is None else name
    if chosen not in tasks:
        raise WrongInput(f"no task is called {chosen!r} in the recipes; {nearest(chosen, tasks)}")
    found = tasks[chosen]
    for key, recipe in recipes.items():
        own = recipe.tasks.get(chosen, found)
        if own.model_copy(update={"model": found.model}) != found:
            raise WrongInput(f"{key} has another task {chosen!r}; make them alike, or name a task that one has: --task")
    return chosen, found


def differing(models: Mapping[str, ModelRecipe]) -> dict[str, dict[str, Any]]:
    """{model: {place: value}} of the settings, besides those of OWN and of different kinds of PARTS, that are not the
    same in all models; None for one that a model does not have."""
    unlike = [part for part in PARTS if len({getattr(model, part).name for model in models.values()}) > 1]
    every = {name: dict(places(model.model_dump(mode="json"))) for name, model in models.items()}
    names = dict.fromkeys(place for found in every.values() for place in found if not place.startswith((*OWN, *unlike)))
    apart = [place for place in names if len({repr(found.get(place)) for found in every.values()}) > 1]
    return {name: {place: found.get(place) for place in apart} for name, found in every.items()}


def places(settings: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted place, value) of everything in settings within settings."""
    if not isinstance(settings, dict):
        yield at, settings
        return
    for key, value in settings.items():
        yield from places(value, f"{at}.{key}" if at else key)
