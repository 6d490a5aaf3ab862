"""Recipes whose models start from a folder: what they leave out is what the folder says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.errors import WrongInput, nearest
from danlu.interop import describe_model

PARTS = ("objective", "architecture")


def with_start(model: dict[str, Any]) -> dict[str, Any]:
    """A model of a recipe with objective and architecture whole: settings without a name are changes to the folder's.
    Where the folder holds a model that was trained together with others, the objective is that of them all.

    ValueError, in one line, when the folder holds no model. A model that says everything needs no folder.
    """
    if all(named(model.get(part)) for part in PARTS):
        return model
    try:
        facts, _ = describe_model(Path(model["start"]).expanduser())
    except WrongInput as error:
        raise ValueError(f"start: {error}") from None
    whole = dict(model)
    theirs = {"objective": facts.whole or facts.objective, "architecture": facts.architecture}
    for part in PARTS:
        if not named(given := model.get(part)):
            whole[part] = theirs[part].model_dump(mode="json") | (given or {})
    return whole


def named(part: Any) -> bool:
    """Whether settings say what they are settings of."""
    return part is not None and not (isinstance(part, dict) and "name" not in part)


def tokenizer_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recipe that names no tokenizer, with that of the first folder one of its models starts from."""
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
    """What is done of a recipe instead of all of it. model: only this one of its models, and that one's tasks; start:
    a model folder, which takes the place of the recipe's model and tokenizer."""

    model: str | None = None
    start: str | None = None

    def apply(self, recipe: dict[str, Any], where: str) -> None:
        """Change a recipe in place, before it is checked."""
        models = recipe.get("models")
        if self == Choice() or not isinstance(models, dict):
            return
        if self.model is not None and self.model not in models:
            raise WrongInput(f"--model: {where} has no model {self.model!r}; {nearest(self.model, models)}")
        if self.model is None and len(models) != 1:
            raise WrongInput(f"--from: {where} has the models {', '.join(models)}; say which one with --model")
        name = self.model or next(iter(models))
        recipe["models"] = {name: models[name]}
        if isinstance(tasks := recipe.get("tasks"), dict):
            recipe["tasks"] = {k: t for k, t in tasks.items() if isinstance(t, dict) and t.get("model") == name}
        if self.start is not None:
            rest = {k: v for k, v in models[name].items() if k not in PARTS} if isinstance(models[name], dict) else {}
            recipe["models"][name] = rest | {"start": self.start}
            recipe.pop("tokenizer", None)


ALL = Choice()
