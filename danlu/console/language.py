"""The language of the console: help, messages, tables and error frames, in English or Chinese.

`message("run.saved", step=3)` returns the entry `saved` of the table `run` in `messages/en.toml` or `messages/zh.toml`.
Every key is in both files, with the same placeholders; a test compares them. `translated` is for texts that arrive in
English, from files or from packages below the console.
"""

from __future__ import annotations

import locale
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "zh")
VARIABLE = "DANLU_LANG"


class Choice:
    """The language asked for by the option `--lang` and by the recipe; None where they do not say."""

    option: str | None = None
    recipe: str | None = None


def choose(option: str | None = None, recipe: str | None = None) -> None:
    """Set the language of everything printed from now on, by `--lang` or by a recipe that sets `language`."""
    Choice.option, Choice.recipe = option, recipe


def of_recipe(recipe: Mapping[str, Any]) -> None:
    """Use the language of a recipe that sets one, unless `--lang` or DANLU_LANG asks for another."""
    Choice.recipe = recipe.get("language", Choice.recipe)


def current() -> str:
    """The language: `--lang`, else the variable DANLU_LANG, else the recipe's `language`, else the locale."""
    variable = os.environ.get(VARIABLE, "").lower()[:2]
    asked = (Choice.option, variable, Choice.recipe, of_locale())
    return next((language for language in asked if language in LANGUAGES), "en")


@contextmanager
def using(language: str) -> Iterator[None]:
    """Print in one language for the duration of the block, whatever was asked for."""
    before = Choice.option
    Choice.option = language
    try:
        yield
    finally:
        Choice.option = before


def of_locale() -> str:
    """`zh` of `zh_CN.UTF-8`."""
    named = next(filter(None, (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), None)
    return (named or locale.getlocale()[0] or "en").lower()[:2]


@cache
def catalogue(language: str, name: str = "messages") -> dict[str, Any]:
    """`{table: {entry: text}}` of one language; tables may be nested. That of the messages includes the errors."""
    file = "" if name == "messages" else f"{name}."
    tables = tomllib.loads((files("danlu.console.messages") / f"{file}{language}.toml").read_text("utf-8"))
    return tables | catalogue(language, "errors") if name == "messages" else tables


def message(key: str, /, **values: object) -> str:
    """The text of `table.entry` in the current language with its placeholders filled."""
    found: Any = catalogue(current())
    for part in key.split("."):
        found = found[part]
    return found.format(**values)


def named(table: str, name: str) -> str:
    """The text of a name that stands in facts, such as a script or a split; the name itself where it has none."""
    return catalogue(current())[table].get(name, name)


@cache
def pattern(template: str) -> re.Pattern[str]:
    """A regular expression that matches a template with anything in place of its placeholders."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(template)), re.DOTALL)


def translated(table: str, text: str) -> str:
    """An English text in the current language: by the first template of the English table that matches all of it.

    The values of its placeholders are translated in the same way. A text that no template matches stays as it is.
    """
    if current() == "en":
        return text
    for key, template in catalogue("en")[table].items():
        if found := pattern(template).fullmatch(text):
            values = {name: translated(table, value) for name, value in found.groupdict().items()}
            return catalogue(current())[table][key].format(**values)
    return text
