"""Near-duplicates in a list of texts: MinHash finds candidate pairs (Broder 1997), exact Jaccard similarity decides."""

from __future__ import annotations

import numpy as np

from danlu.text.normal_form import normal_form

SHINGLE = 5
"""Characters per shingle. Characters rather than words, because Chinese is written without spaces."""

PERMUTATIONS = 128
RECALL = 0.995
"""Probability that a pair exactly at the threshold becomes a candidate."""


def shingles(text: str) -> set[str]:
    """Return the runs of 5 characters of the normal form of a text; a shorter text is a single shingle."""
    text = normal_form(text)
    return {text[i : i + SHINGLE] for i in range(max(1, len(text) - SHINGLE + 1))}


def jaccard(a: set[str], b: set[str]) -> float:
    """Return |a & b| / |a | b|."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def bands(threshold: float) -> int:
    """Return the smallest number of LSH bands that finds a pair at `threshold` with probability `RECALL`.

    With b bands of r rows a pair of similarity s is found with probability 1 - (1 - s^r)^b. Fewer bands give fewer
    false candidates.
    """
    for rows in (32, 16, 8, 4, 2):
        if 1 - (1 - threshold**rows) ** (PERMUTATIONS // rows) >= RECALL:
            return PERMUTATIONS // rows
    return PERMUTATIONS


def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def near_duplicate_groups(texts: list[str], threshold: float = 0.8) -> np.ndarray:
    """Return the group of each text as [n] int64: the number of the group's first member.

    Two texts are linked if their Jaccard similarity is at least `threshold`; a group is a connected component.
    """
    from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue] (compiled, no stubs)

    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is {threshold}, not in (0, 1]")
    parent = np.arange(len(texts))
    index = RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))
    for i, text in enumerate(texts):
        own = shingles(text)
        sketch = RMinHash(PERMUTATIONS, 1)
        sketch.update(sorted(own))
        for j in sorted(index.query(sketch)):
            a, b = _root(parent, i), _root(parent, j)
            if a != b and jaccard(own, shingles(texts[j])) >= threshold:
                parent[max(a, b)] = min(a, b)
        index.insert(i, sketch)
    return np.array([_root(parent, i) for i in range(len(texts))], np.int64)
