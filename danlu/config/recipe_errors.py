"""What is wrong with a recipe: every error in one line, with the file, the line and the key."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml.comments import CommentedMap, CommentedSeq

Keys = tuple[str, ...]
SELF_EXPLANATORY = ("unknown_key", "renamed_key", "value_error", "misplaced")
"""Kinds of errors whose message quotes the value where it helps."""


@dataclass(frozen=True)
class Problem:
    """One error. `keys` lead to it; `line` is None where the file has no such key or an override set it."""

    keys: Keys
    message: str
    line: int | None
    overridden: bool

    def text(self, where: str) -> str:
        """`file:line: key: message`"""
        place = f"{where}, as overridden" if self.overridden else f"{where}:{self.line}" if self.line else where
        return ": ".join(filter(None, (place, ".".join(self.keys), self.message)))


def explain(error: ValidationError, tree: Any, data: Any, where: str, overridden: Sequence[Keys]) -> str:
    """One line for each error in a recipe, in the order of the file; several are preceded by their number.

    Args:
        tree: the recipe as YAML nodes, which know their lines.
        data: the recipe that was validated: `tree` with the overrides.
        where: what the file is called.
        overridden: the keys of each override.
    """
    problems = list(problems_of(error, tree, data, overridden))
    problems.sort(key=lambda problem: (problem.overridden, problem.line or 0))
    lines = [problem.text(where) for problem in problems]
    return lines[0] if len(lines) == 1 else "\n".join([f"{where}: {len(lines)} errors", *lines])


def problems_of(error: ValidationError, tree: Any, data: Any, overridden: Sequence[Keys]) -> Iterator[Problem]:
    """The first error of each place: the sides of a choice of types would otherwise each report theirs."""
    found = error.errors(include_url=False)
    meant = {(*keys[:-1], advice) for keys, advice in misspelt(found)}
    seen: set[Keys] = set()
    for details in found:
        loc = place_of(details, data)
        keys = tuple(map(str, loc))
        if keys in seen or (details["type"] == "missing" and tuple(map(str, details["loc"])) in meant):
            continue
        seen.add(keys)
        by_override = any(all(a == b for a, b in zip(keys, other, strict=False)) for other in overridden if keys)
        yield Problem(keys, message_of(details), None if by_override else line_of(tree, loc), by_override)


def misspelt(found: Sequence[ErrorDetails]) -> Iterator[tuple[Keys, str]]:
    """(keys, the key that was probably meant) of each unknown key."""
    for details in found:
        advice = str(details.get("ctx", {}).get("advice", ""))
        if details["type"] == "unknown_key" and advice.startswith("did you mean"):
            yield tuple(map(str, details["loc"])), advice.split("'")[1]


def place_of(details: ErrorDetails, data: Any) -> list[str | int]:
    """The keys of an error as the recipe has them: without the names pydantic gives to the sides of a union."""
    *parents, last = details["loc"] or (None,)
    loc = present([key for key in parents if key is not None], data)
    if last is not None and (details["type"] in ("missing", "unknown_key", "misplaced") or has(data, loc, last)):
        loc.append(last)
    return loc


def has(data: Any, loc: Sequence[str | int], key: str | int) -> bool:
    return len(present([*loc, key], data)) > len(loc)


def present(loc: Sequence[str | int], data: Any) -> list[str | int]:
    """The part of `loc` that `data` has."""
    found: list[str | int] = []
    for key in loc:
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            continue
        found.append(key)
    return found


def message_of(details: ErrorDetails) -> str:
    message = details["msg"].removeprefix("Value error, ")
    if details["type"] == "missing":
        return "is missing"
    if details["type"] in SELF_EXPLANATORY:
        return message
    return f"{message[0].lower()}{message[1:]}, not {details.get('input')!r}"


def line_of(tree: Any, loc: Sequence[str | int]) -> int | None:
    """The line of the deepest part of `loc` that the file has."""
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
