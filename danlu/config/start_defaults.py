"""Complete the models of a recipe that start from a saved model, and select which part of a recipe to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.errors import WrongInput, nearest
from danlu.interop import describe_model

FROM_FOLDER = ("objective", "architecture")
"""Keys of a model that its `start` folder supplies where the recipe leaves them out."""


def fill_from_start(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model of a recipe with a complete objective and architecture.

    Settings without a name override those of the saved model. If several models were trained together, the objective
    is the one that trained all of them. The folder is not read if the recipe is complete.

    Raises:
        ValueError: if the folder has no model, or a model without an objective to continue with.
    """
    if all(has_name(model.get(key)) for key in FROM_FOLDER):
        return model
    try:
        facts, _ = describe_model(Path(model["start"]).expanduser())
    except WrongInput as error:
        raise ValueError(f"start: {error}") from None
    completed = dict(model)
    saved = {"objective": facts.whole or facts.objective, "architecture": facts.architecture}
    if not facts.objective.terms and not has_name(model.get("objective")):
        raise ValueError(
            f"start: {model['start']} is an encoder without a prediction head; choose an objective to train it with, "
            "such as objective: masked"
        )
    for key in FROM_FOLDER:
        if not has_name(settings := model.get(key)):
            completed[key] = saved[key].model_dump(mode="json") | (settings or {})
    return completed


def has_name(settings: Any) -> bool:
    """Whether settings include the name of an objective or architecture."""
    return settings is not None and not (isinstance(settings, dict) and "name" not in settings)


@dataclass(frozen=True)
class RecipeSelection:
    """Which part of a recipe to run."""

    model: str | None = None  # run only this model and its tasks
    start: str | None = None  # folder of a saved model that replaces the model and tokenizer of the recipe

    def apply(self, recipe: dict[str, Any], source: str) -> None:
        """Reduce a recipe in place, before it is validated. `source` is what messages call it."""
        models = recipe.get("models")
        if self == RecipeSelection() or not isinstance(models, dict):
            return
        if self.model is not None and self.model not in models:
            raise WrongInput(f"--model: {source} has no model {self.model!r}; {nearest(self.model, models)}")
        if self.model is None and len(models) != 1:
            raise WrongInput(f"--from: {source} has the models {', '.join(models)}; choose one with --model")
        name = self.model or next(iter(models))
        recipe["models"] = {name: models[name]}
        if isinstance(tasks := recipe.get("tasks"), dict):
            recipe["tasks"] = {k: t for k, t in tasks.items() if isinstance(t, dict) and t.get("model") == name}
        if self.start is not None:
            rest = (
                {k: v for k, v in models[name].items() if k not in FROM_FOLDER}
                if isinstance(models[name], dict)
                else {}
            )
            recipe["models"][name] = rest | {"start": self.start}
            recipe.pop("tokenizer", None)


WHOLE_RECIPE = RecipeSelection()
