"""Prompts from the text itself: how held-out documents begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from danlu.text.scripts import script_shares

WORDS, IDEOGRAPHS = 4, 8
LONGEST = 40
"""Characters; a beginning that is longer (one endless word) is no prompt."""

ENOUGH = 0.2
"""A script of at least this share of the letters gets prompts of its own."""


def beginning(text: str) -> tuple[str, str] | None:
    """(script, the first words of the first line that has some); None where the rest would be no longer than that."""
    line = next((line for line in (" ".join(line.split()) for line in text.splitlines()) if script_shares([line])), "")
    if not line:
        return None
    script = next(iter(script_shares([line])))
    words = line.split(" ")
    start = line[:IDEOGRAPHS] if script == "Han" else " ".join(words[:WORDS])
    return (script, start) if len(start) <= LONGEST and len(text) >= 2 * len(start) else None


def prompts_from(texts: Iterable[str], shares: dict[str, float], wanted: int = 3) -> list[str]:
    """`wanted` different beginnings; where several scripts are at home, each of them has one or more."""
    at_home = [script for script, share in shares.items() if share >= ENOUGH][:wanted]
    each = -(-wanted // max(1, len(at_home)))
    found: list[str] = []
    taken: Counter[str] = Counter()
    for text in texts:
        start = beginning(text)
        if start and start[0] in at_home and taken[start[0]] < each and start[1] not in found:
            taken[start[0]] += 1
            found.append(start[1])
        if len(taken) == len(at_home) and min(taken.values(), default=0) == each:
            break
    return found
