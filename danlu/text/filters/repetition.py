"""Documents that say the same again and again: menus, logs, generated lists.

The share of repeated lines is the rule of Gopher (Rae et al. 2021, table A1). Its rule of repeated word n-grams needs
words; here n-grams of characters serve, which need no other rule for Chinese.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter

GRAM = 12
LOOKED_AT = 100_000
FEWEST = 100
"""Characters; a shorter text has too few n-grams for a share."""


def repeated_lines(text: str) -> float:
    """The share of the lines that are not blank which stood before."""
    lines = [line for line in map(str.strip, text[:LOOKED_AT].splitlines()) if line]
    return 1 - len(set(lines)) / len(lines) if lines else 0.0


def repeated_characters(text: str) -> float:
    """The share of the runs of 12 characters (white space aside) which stood before; 0 for short texts."""
    packed = "".join(text[:LOOKED_AT].split())
    if len(packed) < FEWEST:
        return 0.0
    grams = len(packed) - GRAM + 1
    return 1 - len({packed[i : i + GRAM] for i in range(grams)}) / grams


@filters.register
class Repetition(Filter):
    """Texts that say the same again and again are left out: the largest shares that are kept, of repeated lines and of
    repeated runs of characters."""

    name: Literal["repetition"] = "repetition"
    lines: float = Field(0.3, ge=0, le=1)
    characters: float = Field(0.5, ge=0, le=1)

    def build(self) -> Clean:
        def clean(text: str) -> str | Rejected:
            if (share := repeated_lines(text)) > self.lines:
                return Rejected("repetition: lines", "", f"{share:.0%} of them stood before")
            if (share := repeated_characters(text)) > self.characters:
                return Rejected("repetition: characters", "", f"{share:.0%} of them stood before")
            return text

        return clean
