"""Error messages of recipes: one line for each error, with file, line and key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq

Keys = tuple[str, ...]
SELF_EXPLANATORY = ("unknown_key", "renamed_key", "value_error", "misplaced")
"""Types of errors whose message already quotes the value where that helps."""


@dataclass(frozen=True)
class Problem:
    """One error in a recipe."""

    keys: Keys  # path of the value
    message: str
    line: int | None  # None if the file does not have the key, or an override set it
    overridden: bool

    def text(self, source: str) -> str:
        """Format the problem as `file:line: key: message`."""
        place = f"{source} with overrides" if self.overridden else f"{source}:{self.line}" if self.line else source
        return ": ".join(filter(None, (place, ".".join(self.keys), self.message)))


def format_errors(error: ValidationError, tree: Any, data: Any, source: str, overridden: Sequence[Keys]) -> str:
    """Return one line for each error in a recipe, in the order of the file, after a line with their number if several.

    Args:
        tree: the recipe as YAML nodes, which know their lines; None without a file.
        data: the recipe that was validated: `tree` with the overrides.
        source: what messages call the file.
        overridden: the keys of each override.
    """
    problems = list(find_problems(error, tree, data, overridden))
    problems.sort(key=lambda problem: (problem.overridden, problem.line or 0))
    lines = [problem.text(source) for problem in problems]
    return lines[0] if len(lines) == 1 else "\n".join([f"{source}: {len(lines)} errors", *lines])


def find_problems(error: ValidationError, tree: Any, data: Any, overridden: Sequence[Keys]) -> Iterator[Problem]:
    """Yield the first error at each path; otherwise each member of a union would report its own."""
    errors = error.errors(include_url=False)
    intended = {(*keys[:-1], advice) for keys, advice in misspelt_keys(errors)}
    seen: set[Keys] = set()
    for details in errors:
        loc = error_path(details, data)
        keys = tuple(map(str, loc))
        if keys in seen or (details["type"] == "missing" and tuple(map(str, details["loc"])) in intended):
            continue
        seen.add(keys)
        by_override = any(all(a == b for a, b in zip(keys, other, strict=False)) for other in overridden if keys)
        yield Problem(keys, error_message(details), None if by_override else line_number(tree, loc), by_override)


def misspelt_keys(errors: Sequence[ErrorDetails]) -> Iterator[tuple[Keys, str]]:
    """Yield (path, the key that was probably intended) of each unknown key."""
    for details in errors:
        advice = str(details.get("ctx", {}).get("advice", ""))
        if details["type"] == "unknown_key" and advice.startswith("did you mean"):
            yield tuple(map(str, details["loc"])), advice.split("'")[1]


def error_path(details: ErrorDetails, data: Any) -> list[str | int]:
    """Return the path of an error in the recipe, without the names that pydantic gives to the members of a union."""
    *parents, last = details["loc"] or (None,)
    loc = existing_path([key for key in parents if key is not None], data)
    if last is not None and (details["type"] in ("missing", "unknown_key", "misplaced") or contains(data, loc, last)):
        loc.append(last)
    return loc


def contains(data: Any, loc: Sequence[str | int], key: str | int) -> bool:
    """Whether the value at `loc` has the key."""
    return len(existing_path([*loc, key], data)) > len(loc)


def existing_path(loc: Sequence[str | int], data: Any) -> list[str | int]:
    """Return the keys of `loc` that exist in `data`."""
    path: list[str | int] = []
    for key in loc:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            continue
        path.append(key)
    return path


def error_message(details: ErrorDetails) -> str:
    """Return the message of an error, with the wrong value."""
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        return "is missing"
    if details["type"] in SELF_EXPLANATORY:
        return message
    message = re.sub(r", unable to .*$", "", re.sub(r"^Input should be ", "must be ", message))
    return f"{message[0].lower()}{message[1:]}, not {details.get('input')!r}"


def line_number(tree: Any, loc: Sequence[str | int]) -> int | None:
    """Return the line of the deepest part of `loc` that the file has."""
    line = None
    for key in loc:
        if isinstance(tree, CommentedMap) and key in tree:
            line = tree.lc.key(key)[0] + 1
        elif isinstance(tree, CommentedSeq) and isinstance(key, int) and key < len(tree):
            line = tree.lc.item(key)[0] + 1
        else:
            break
        tree = tree[key]
    return line
