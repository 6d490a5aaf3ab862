"""chrF: how many runs of characters two texts share (Popović 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORDER = 6
"""The longest runs of characters."""

BETA = 2
"""Recall counts so many times as much as precision."""


def runs(text: str, n: int) -> Counter[str]:
    """The runs of n characters of a text without its white space."""
    packed = "".join(text.split())
    return Counter(packed[i : i + n] for i in range(len(packed) - n + 1))


def matches(made: str, given: str) -> list[tuple[int, int, int]]:
    """For each length of run: how many `made` has (none where `given` is too short to have any), how many `given` has,
    how many they share."""
    found = []
    for n in range(1, ORDER + 1):
        ours, theirs = runs(made, n), runs(given, n)
        found.append((ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()))
    return found


def chrf(made: Sequence[str], given: Sequence[str]) -> float:
    """chrF2 of a list of texts as a whole, in [0, 100]: counts are added up over the texts, precision and recall are
    the means over those lengths of run that both sides have, and the F score is that of the two."""
    total = [(0, 0, 0)] * ORDER
    for one, other in zip(made, given, strict=True):
        total = [tuple(map(sum, zip(a, b, strict=True))) for a, b in zip(total, matches(one, other), strict=True)]
    counted = [(ours, theirs, both) for ours, theirs, both in total if ours and theirs]
    if not counted:
        return 0.0
    precision = sum(both / ours for ours, _, both in counted) / len(counted)
    recall = sum(both / theirs for _, theirs, both in counted) / len(counted)
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
