"""Which writing systems a text uses, by share of its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

OTHER = "other"
RARE = 0.005
"""A script of less than this share of the letters is counted as OTHER."""

_NAMES = {"CJK": "Han", "IDEOGRAPHIC": "Han"}
"""First words of Unicode names that are not the script's own name."""


def script_of(character: str) -> str | None:
    """ "Latin", "Han", "Cyrillic", ... by the character's Unicode name; None for what is no letter."""
    if not character.isalpha():
        return None
    first = unicodedata.name(character, OTHER).removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ").split()[0]
    return _NAMES.get(first, first.capitalize() if first != OTHER else OTHER)


def script_shares(texts: Iterable[str]) -> dict[str, float]:
    """{script: share of all letters}, the largest first; empty where there is no letter."""
    characters: Counter[str] = Counter()
    for text in texts:
        characters.update(text)
    return shares_of_characters(characters)


def shares_of_characters(characters: Mapping[str, int]) -> dict[str, float]:
    """The same of characters that are counted already: {character: times}."""
    letters: Counter[str] = Counter()
    for character, n in characters.items():
        if script := script_of(character):
            letters[script] += n
    total = letters.total()
    shares: Counter[str] = Counter()
    for script, n in letters.items():
        shares[script if n >= RARE * total else OTHER] += n
    return {script: n / total for script, n in shares.most_common()}
