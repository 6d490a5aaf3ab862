"""The words of the page, in every language at once: a phrase is a key of `words/*.yaml` and what goes into its gaps."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from markupsafe import Markup, escape
from ruamel.yaml import YAML

WORDS = Path(__file__).parent / "words"
LANGUAGES = ("en", "zh")
HAN = "[\u4e00-\u9fff]"


@dataclass(frozen=True)
class Phrase:
    key: str
    values: Mapping[str, Text]


# A plain string is the same in every language: a number, a name from the run. A sequence is a list of things.
Text: TypeAlias = "str | Phrase | Sequence[Text]"


def phrase(key: str, **values: Text) -> Phrase:
    return Phrase(key, values)


@cache
def words(language: str) -> Mapping[str, str]:
    """The table of a language, its sections flattened to `section.name`."""
    sections = YAML(typ="safe").load(WORDS / f"{language}.yaml")
    return {f"{section}.{name}": text for section, names in sections.items() for name, text in names.items()}


def word(section: str, name: str) -> Phrase | str:
    """The page's word for a name out of the run (a metric, a control); one it has no word for is shown as it stands."""
    key = f"{section}.{name}"
    return Phrase(key, {}) if key in words(LANGUAGES[0]) else name


def in_language(text: Text, language: str) -> str:
    """The plain text of one language."""
    said = filled(text, language)
    return said if language != "zh" or isinstance(text, str) else spaced(said)


def spaced(text: str) -> str:
    """Chinese as it is set beside Latin letters and figures: with a space between them."""
    return re.sub(rf"(?<={HAN})(?=[A-Za-z0-9+\[])|(?<=[A-Za-z0-9%\]])(?={HAN})", " ", text)


def filled(text: Text, language: str) -> str:
    if isinstance(text, str):
        return text
    table = words(language)
    if isinstance(text, Phrase):
        return table[text.key].format(**{name: filled(value, language) for name, value in text.values.items()})
    *head, last = [filled(item, language) for item in text]
    return table["list.comma"].join(head) + table["list.and"] + last if head else last


def both(text: Text) -> Markup:
    """Markup that holds the text in every language; the page's CSS shows one. Everything in it is escaped."""
    if isinstance(text, str):
        return escape(text)
    return Markup("").join(
        Markup('<span class="w" lang="{}">{}</span>').format(language, in_language(text, language))
        for language in LANGUAGES
    )
