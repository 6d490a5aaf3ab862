"""The Jinja environment of the page templates: texts in both languages and number formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from danlu.report import formatting
from danlu.report.phrases import bilingual, phrase, word, words_of
from danlu.report.reasons import reason_text
from danlu.results import SourceAccount
from danlu.text.account import WARN_SHARE

TEMPLATE = Path(__file__).parent / "template"


def environment() -> Environment:
    """Return the environment, which escapes everything that comes from the run."""
    jinja = Environment(
        loader=FileSystemLoader(TEMPLATE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
    jinja.filters |= {
        "bilingual": bilingual,
        "number": formatting.number,
        "signed": formatting.signed,
        "interval": formatting.interval,
        "figure": formatting.figure,
        "count": formatting.count,
        "size": formatting.size,
        "percent": formatting.percent,
        "scientific": formatting.scientific,
    }
    jinja.globals |= {
        "nothing": formatting.NOTHING,
        "signed": formatting.signed,
        "timestamp": formatting.timestamp,
        "duration": formatting.duration,
        "figure": formatting.figure,
        "is_large_loss": is_large_loss,
        "phrase": phrase,
        "word_of": word,
        "t": translate,
        "reason": lambda reason: bilingual(reason_text(reason)),
        "word": lambda section, name: bilingual(word(section, name)),
        "words_of": words_of,
    }
    return jinja


def is_large_loss(account: SourceAccount | None) -> bool:
    """Return whether so much of the text was not read that the page must warn."""
    return account is not None and (account.lost_share or 0) > WARN_SHARE


def translate(key: str, **values: Any) -> Markup:
    """Return the text of a key in both languages."""
    return bilingual(phrase(key, **values))
