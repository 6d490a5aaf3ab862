"""Load recipes from YAML 1.2 (3e-4 is a number, no is a word), with file and line in every error message."""

from __future__ import annotations

import difflib
import io
import shlex
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

from danlu.config.recipe_errors import format_errors
from danlu.config.schema import Recipe
from danlu.config.start_defaults import WHOLE_RECIPE, RecipeSelection
from danlu.errors import WrongInput, refuse_url
from danlu.settings import Settings

SHIPPED_FOLDER = files("danlu.recipes")

LIST_RECIPES = "list the shipped recipes with: danlu recipes"

DRAFT = "the drafted recipe"  # name in error messages


def shipped_recipes() -> list[str]:
    """Return the names of the recipes in the package."""
    return sorted(f.name.removesuffix(".yaml") for f in SHIPPED_FOLDER.iterdir() if f.name.endswith(".yaml"))


def find_recipe(name: str) -> tuple[str, str]:
    """Return the text of a recipe, given by file or shipped name, and its name in error messages.

    Raises:
        WrongInput: if there is no such recipe.
    """
    refuse_url(name, "the recipe or text")
    path = Path(name)
    if path.is_file():
        try:
            return path.read_text("utf-8"), str(path)
        except UnicodeDecodeError as error:
            raise WrongInput(f"{path}: not UTF-8 text (byte {error.start})") from None
    if name in shipped_recipes():
        return (SHIPPED_FOLDER / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    raise missing_recipe(name)


def missing_recipe(name: str) -> WrongInput:
    """Return the error for a name that is no recipe: a folder, a path that does not exist, or a misspelt name."""
    path = Path(name)
    if (path / "recipe.yaml").is_file():
        again = shlex.join(["danlu", "run", str(path / "recipe.yaml")])
        return WrongInput(f"{name} is a run directory; resume its run with: {again}")
    if path.exists():
        return WrongInput(
            f"{name} is text, not a recipe; write a recipe for it with: {shlex.join(['danlu', 'init', name])}"
        )
    siblings = path.parent.iterdir() if path.parent.is_dir() else ()
    similar = [str(p) for p in siblings if p.suffix in (".yaml", ".yml") or (p.is_dir() and not p.name.startswith("."))]
    if "/" in name:  # a whole path is close to every other file of its folder: compare the last part only
        close = difflib.get_close_matches(path.name, [Path(p).name for p in similar], n=1, cutoff=0.6)
        if not close:
            return WrongInput(f"no file or folder {name!r}; give a text that exists, or a recipe")
        advice = f"did you mean {str(path.with_name(close[0]))!r}?"
    else:
        close = difflib.get_close_matches(name, [*shipped_recipes(), *similar], n=1, cutoff=0.6)
        advice = f"did you mean {close[0]!r}?" if close else LIST_RECIPES
    return WrongInput(f"no recipe {name!r}: neither a file nor a shipped recipe; {advice}")


def parse_yaml(text: str, source: str) -> Any:
    """Parse YAML to nodes that know their lines. `source` is what error messages call the text.

    Raises:
        WrongInput: if it is not YAML.
    """
    try:
        return YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise WrongInput(f"{source}:{line}: {str(error.problem).splitlines()[0]}") from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise WrongInput(f"{source}:{mark.line + 1 if mark else 1}: not YAML: {error.problem}") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise WrongInput(f"{source}:{line}: not YAML: the character {chr(error.character)!r} is not allowed") from None


def to_builtin_types(value: Any) -> Any:
    """Convert the node types of ruamel.yaml to built-in types."""
    if isinstance(value, Mapping):
        return {str(k): to_builtin_types(v) for k, v in value.items()}
    if isinstance(value, list):
        return [to_builtin_types(v) for v in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def apply_override(data: dict[str, Any], assignment: str) -> tuple[str, ...]:
    """Apply an override `key.path=value` in place and return its path. The value is YAML.

    Raises:
        WrongInput: if it is not of this form, or the path leads into a value that is not a mapping.
    """
    path, equals, value = assignment.partition("=")
    keys = tuple(path.strip().split("."))
    if not equals or not all(keys):
        raise WrongInput(f"{assignment!r} is not key.path=value")
    parent: dict[str, Any] = data
    for key in keys[:-1]:
        child: Any = parent.get(key)
        if isinstance(child, str):
            child = {"name": child}
        parent[key] = child = {} if child is None else child
        if not isinstance(child, dict):
            raise WrongInput(f"{assignment!r}: {key} is not a mapping but {child!r}")
        parent = child
    parent[keys[-1]] = to_builtin_types(parse_yaml(value, assignment)) if value.strip() else None
    return keys


def load_recipe(name: str, overrides: Sequence[str] = (), selection: RecipeSelection = WHOLE_RECIPE) -> Recipe:
    """Load a recipe by file or shipped name.

    Args:
        overrides: `key.path=value`.
        selection: which part of the recipe to run.

    Raises:
        WrongInput: with the file, line and key of each error.
    """
    return parse_recipe(*find_recipe(name), overrides, selection)


def parse_recipe(
    text: str, source: str, overrides: Sequence[str] = (), selection: RecipeSelection = WHOLE_RECIPE
) -> Recipe:
    """Parse and validate a recipe. `source` is what error messages call it; otherwise as `load_recipe`."""
    tree = parse_yaml(text, source)
    if not isinstance(tree, CommentedMap):
        raise WrongInput(f"{source}:1: a recipe is a mapping with keys such as corpus, not {type(tree).__name__}")
    data = to_builtin_types(tree)
    selection.apply(data, source)
    overridden = [apply_override(data, assignment) for assignment in overrides]
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise WrongInput(format_errors(error, tree, data, source, overridden)) from None
    sources = recipe.corpus.source
    for name in [sources] if isinstance(sources, str) else sources:
        refuse_url(name, f"{source}: corpus.source")
    return recipe


def parse_draft(text: str) -> Recipe:
    """Parse and validate a recipe that danlu has drafted; error messages name keys, but no lines of a file."""
    data = to_builtin_types(parse_yaml(text, DRAFT))
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise WrongInput(format_errors(error, None, data, DRAFT, [])) from None


def dump_recipe(recipe: Settings) -> str:
    """Return a resolved recipe, of any class, as YAML."""
    yaml = YAML()
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(recipe.model_dump(mode="json"), stream)
    return stream.getvalue()


def first_difference(old: Any, new: Any, path: str = "") -> str | None:
    """Describe the first value that differs as `key.path was X, is Y`; None if all are equal."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if found := first_difference(old.get(key), new.get(key), f"{path}.{key}" if path else key):
                return found
        return None
    return None if old == new else f"{path} was {old!r}, is {new!r}"
