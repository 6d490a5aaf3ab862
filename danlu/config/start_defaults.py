"""Models of a recipe that start from a saved model: what they leave out is taken from its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.errors import WrongInput, nearest
from danlu.interop import describe_model

PARTS = ("objective", "architecture")


def with_start(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model of a recipe with a complete objective and architecture.

    Settings without a name change those of the saved model. If several models were trained together, the objective is
    that of all of them. The folder is not read if the recipe is complete.

    Raises:
        ValueError: in one line, if the folder holds no model, or a model that has no objective to continue with.
    """
    if all(named(model.get(part)) for part in PARTS):
        return model
    try:
        facts, _ = describe_model(Path(model["start"]).expanduser())
    except WrongInput as error:
        raise ValueError(f"start: {error}") from None
    whole = dict(model)
    theirs = {"objective": facts.whole or facts.objective, "architecture": facts.architecture}
    if not facts.objective.terms and not named(model.get("objective")):
        raise ValueError(
            f"start: {model['start']} is an encoder without a prediction head; choose an objective to train it with, "
            "such as objective: masked"
        )
    for part in PARTS:
        if not named(given := model.get(part)):
            whole[part] = theirs[part].model_dump(mode="json") | (given or {})
    return whole


def named(part: Any) -> bool:
    """Whether settings name the class that they belong to."""
    return part is not None and not (isinstance(part, dict) and "name" not in part)


def tokenizer_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe with a tokenizer: if it names none, that of the first saved model that a model starts from."""
    models = recipe.get("models")
    if recipe.get("tokenizer") is not None or not isinstance(models, dict):
        return recipe
    for model in models.values():
        start = model.get("start") if isinstance(model, dict) else getattr(model, "start", None)
        if isinstance(start, str):
            return recipe | {"tokenizer": {"name": "file", "path": start}}
    return recipe


@dataclass(frozen=True)
class Choice:
    """Which part of a recipe to run."""

    model: str | None = None  # this one of its models only, with the tasks of that model
    start: str | None = None  # a model folder that replaces the recipe's model and tokenizer

    def apply(self, recipe: dict[str, Any], where: str) -> None:
        """Reduce a recipe in place, before it is validated."""
        models = recipe.get("models")
        if self == Choice() or not isinstance(models, dict):
            return
        if self.model is not None and self.model not in models:
            raise WrongInput(f"--model: {where} has no model {self.model!r}; {nearest(self.model, models)}")
        if self.model is None and len(models) != 1:
            raise WrongInput(f"--from: {where} has the models {', '.join(models)}; choose one with --model")
        name = self.model or next(iter(models))
        recipe["models"] = {name: models[name]}
        if isinstance(tasks := recipe.get("tasks"), dict):
            recipe["tasks"] = {k: t for k, t in tasks.items() if isinstance(t, dict) and t.get("model") == name}
        if self.start is not None:
            rest = {k: v for k, v in models[name].items() if k not in PARTS} if isinstance(models[name], dict) else {}
            recipe["models"][name] = rest | {"start": self.start}
            recipe.pop("tokenizer", None)


ALL = Choice()
