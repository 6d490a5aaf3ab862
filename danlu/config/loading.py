"""Recipes from YAML (1.2: 3e-4 is a number, no is a word), with the file and line of whatever is wrong."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from danlu.config.recipe_errors import explain
from danlu.config.schema import Recipe
from danlu.config.start_defaults import ALL, Choice
from danlu.errors import WrongInput, nearest
from danlu.settings import Settings

SHIPPED = files("danlu.recipes")

DRAFT = "the drafted recipe"


def shipped() -> list[str]:
    """Names of the recipes inside the package."""
    return sorted(f.name.removesuffix(".yaml") for f in SHIPPED.iterdir() if f.name.endswith(".yaml"))


def find_recipe(name: str) -> tuple[str, str]:
    """(text, where it is from) of a file or a shipped name."""
    path = Path(name)
    if path.is_file():
        try:
            return path.read_text("utf-8"), str(path)
        except UnicodeDecodeError as error:
            raise WrongInput(f"{path}: not UTF-8 text (byte {error.start})") from None
    if name in shipped():
        return (SHIPPED / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    near = path.parent.iterdir() if path.parent.is_dir() else ()
    nearby = [str(p) for p in near if p.suffix in (".yaml", ".yml") or (p.is_dir() and not p.name.startswith("."))]
    raise WrongInput(f"no recipe {name!r}: neither a file nor a shipped recipe; {nearest(name, [*shipped(), *nearby])}")


def parse(text: str, where: str) -> Any:
    """YAML with line numbers; one line when it is not YAML."""
    try:
        return YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WrongInput(f"{where}:{line}: {str(error.problem).splitlines()[0]}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise WrongInput(f"{where}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise WrongInput(f"{where}:{line}: not YAML: the character {chr(error.character)!r} is not allowed") from None


def plain(value: Any) -> Any:
    """Without ruamel's own types."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def override(data: dict[str, Any], assignment: str) -> tuple[str, ...]:
    """Set `key.path=value` (the value is YAML) in place; the path."""
    path, equals, value = assignment.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        raise WrongInput(f"{assignment!r} is not key.path=value")
    at: dict[str, Any] = data
    for key in keys[:-1]:
        below: Any = at.get(key)
        if isinstance(below, str):
            below = {"name": below}
        at[key] = below = {} if below is None else below
        if not isinstance(below, dict):
            raise WrongInput(f"{assignment!r}: {key} is not a mapping but {below!r}")
        at = below
    at[keys[-1]] = plain(parse(value, assignment)) if value.strip() else None
    return keys


def load_recipe(name: str, overrides: Sequence[str] = (), choice: Choice = ALL) -> Recipe:
    """A recipe by file or shipped name, with `key.path=value` overrides; WrongInput names line and nearest key.

    choice: what to do of it instead of all.
    """
    return parse_recipe(*find_recipe(name), overrides, choice)


def parse_recipe(text: str, where: str, overrides: Sequence[str] = (), choice: Choice = ALL) -> Recipe:
    """A recipe from YAML text; `where` is what its errors call the file."""
    tree = parse(text, where)
    if not isinstance(tree, CommentedMap):
        raise WrongInput(f"{where}:1: a recipe is a mapping such as 'corpus:'; this is {type(tree).__name__}")
    data = plain(tree)
    choice.apply(data, where)
    overridden = [override(data, assignment) for assignment in overrides]
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise WrongInput(explain(error, tree, data, where, overridden)) from None


def parse_draft(text: str) -> Recipe:
    """A recipe that danlu wrote and nobody has seen yet: its errors name keys and no lines."""
    data = plain(parse(text, DRAFT))
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise WrongInput(explain(error, None, data, DRAFT, [])) from None


def dump_recipe(recipe: Settings) -> str:
    """A resolved recipe, of whatever kind, as YAML."""
    yaml = YAML()
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(recipe.model_dump(mode="json"), stream)
    return stream.getvalue()


def first_difference(old: Any, new: Any, path: str = "") -> str | None:
    """`key.path was X, is Y` of the first value that differs."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if found := first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else key):
                return found
        return None
    return None if old == new else f"{path} was {old!r}, is {new!r}"
