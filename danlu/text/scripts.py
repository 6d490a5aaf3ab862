"""Writing systems of a text, by share of its letters."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

OTHER = "other"
RARE = 0.005
"""Scripts with a smaller share of the letters are counted as OTHER."""

_NAMES = {"CJK": "Han", "IDEOGRAPHIC": "Han"}
"""Scripts whose name is not the first word of the Unicode names of their characters."""


def script_of(character: str) -> str | None:
    """Return the script of a letter by its Unicode name, such as "Latin", "Han" or "Cyrillic"; otherwise None."""
    if not character.isalpha():
        return None
    first = unicodedata.name(character, OTHER).removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ").split()[0]
    return _NAMES.get(first, first.capitalize() if first != OTHER else OTHER)


def script_shares(texts: Iterable[str]) -> dict[str, float]:
    """Return {script: share of all letters}, the largest first; empty if there are no letters."""
    characters: Counter[str] = Counter()
    for text in texts:
        characters.update(text)
    return shares_of_characters(characters)


def shares_of_characters(characters: Mapping[str, int]) -> dict[str, float]:
    """Return {script: share of all letters} from {character: count}."""
    letters: Counter[str] = Counter()
    for character, n in characters.items():
        if script := script_of(character):
            letters[script] += n
    total = letters.total()
    shares: Counter[str] = Counter()
    for script, n in letters.items():
        shares[script if n >= RARE * total else OTHER] += n
    return {script: n / total for script, n in shares.most_common()}
