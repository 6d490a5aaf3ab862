"""The Jinja environment of the page templates: texts in both languages and number formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from danlu.report import formatting
from danlu.report.phrases import both, phrase, word

TEMPLATE = Path(__file__).parent / "template"


def environment() -> Environment:
    """Return the environment; everything that comes from the run is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    made.filters |= {
        "both": both,
        "number": formatting.number,
        "signed": formatting.signed,
        "interval": formatting.interval,
        "figure": formatting.figure,
        "count": formatting.count,
        "size": formatting.size,
        "tiny": formatting.tiny,
    }
    made.globals |= {
        "nothing": formatting.NOTHING,
        "signed": formatting.signed,
        "moment": formatting.moment,
        "duration": formatting.duration,
        "figure": formatting.figure,
        "phrase": phrase,
        "word_of": word,
        "say": say,
        "word": lambda section, name: both(word(section, name)),
    }
    return made


def say(key: str, **values: Any) -> Markup:
    return both(phrase(key, **values))
