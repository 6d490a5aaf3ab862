"""A filter that rejects repetitive documents, such as menus, logs and generated lists.

The share of repeated lines is a rule of Gopher (Rae et al. 2021, table A1). Where Gopher counts repeated n-grams of
words, this filter counts n-grams of characters, which also work for Chinese.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter

NGRAM = 12
MAX_CHARACTERS = 100_000
"""Characters at the beginning of a document that are examined."""

MIN_CHARACTERS = 100
"""A shorter text has too few n-grams for a meaningful share."""


def repeated_lines(text: str) -> float:
    """Return the share of the non-blank lines that repeat an earlier line."""
    lines = [line for line in map(str.strip, text[:MAX_CHARACTERS].splitlines()) if line]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def repeated_characters(text: str) -> float:
    """Return the share of the 12-grams of characters, without white space, that repeat an earlier one; 0 for short
    texts."""
    packed = "".join(text[:MAX_CHARACTERS].split())
    if len(packed) < MIN_CHARACTERS:
        return 0.0
    grams = len(packed) - NGRAM + 1
    return 1 - len({packed[i : i + NGRAM] for i in range(grams)}) / grams


@filters.register
class Repetition(Filter):
    """Reject repetitive texts."""

    name: Literal["repetition"] = "repetition"
    lines: float = Field(0.3, ge=0, le=1, description="Maximum share of repeated lines.")
    characters: float = Field(0.5, ge=0, le=1, description="Maximum share of repeated 12-grams of characters.")

    def build(self) -> Clean:
        def clean(text: str) -> str | Rejected:
            if (share := repeated_lines(text)) > self.lines:
                return Rejected("repetition: lines", "", f"{share:.0%} of them are repeated")
            if (share := repeated_characters(text)) > self.characters:
                return Rejected("repetition: characters", "", f"{share:.0%} of them are repeated")
            return text

        return clean
