"""Texts of the page in every language: a phrase is a key of `words/*.yaml` with values for its placeholders."""

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
    """A key of the words files and the values of its placeholders."""

    key: str
    values: Mapping[str, Text]


# A string is the same in every language, such as a number or a name. A sequence is rendered as a list.
Text: TypeAlias = "str | Phrase | Sequence[Text]"


def phrase(key: str, **values: Text) -> Phrase:
    return Phrase(key, values)


@cache
def words(language: str) -> Mapping[str, str]:
    """Load the texts of a language, keyed `section.name`."""
    sections = YAML(typ="safe").load(WORDS / f"{language}.yaml")
    return {f"{section}.{name}": text for section, names in sections.items() for name, text in names.items()}


def word(section: str, name: str) -> Phrase | str:
    """Return the text for a name in the results (a metric, a baseline), or the name itself without an entry."""
    key = f"{section}.{name}"
    return Phrase(key, {}) if key in words(LANGUAGES[0]) else name


def words_of(section: str, names: str) -> Sequence[Text]:
    """Return the texts for names joined by `and`, such as the layouts of a corpus."""
    return [word(section, name) for name in names.split(" and ")]


def in_language(text: Text, language: str) -> str:
    """Render a text in one language."""
    rendered = render(text, language)
    return rendered if language != "zh" or isinstance(text, str) else add_spaces(rendered)


def add_spaces(text: str) -> str:
    """Insert spaces between Chinese characters and Latin letters or digits."""
    return re.sub(rf"(?<={HAN})(?=[A-Za-z0-9+\[])|(?<=[A-Za-z0-9%\]])(?={HAN})", " ", text)


def render(text: Text, language: str) -> str:
    if isinstance(text, str):
        return text
    table = words(language)
    if isinstance(text, Phrase):
        return table[text.key].format(**{name: render(value, language) for name, value in text.values.items()})
    *head, last = [render(item, language) for item in text]
    return table["list.comma"].join(head) + table["list.and"] + last if head else last


def bilingual(text: Text) -> Markup:
    """Return escaped markup with the text in both languages; the CSS of the page shows one of them."""
    if isinstance(text, str):
        return escape(text)
    return Markup("").join(
        Markup('<span class="w" lang="{}">{}</span>').format(language, in_language(text, language))
        for language in LANGUAGES
    )
