"""The choice of positions to hide: by token, whole word or span.

Shapes: L tokens of one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.objective import Sample
from danlu.tokens.bounds import segment_numbers
from danlu.tokens.vocabulary import Vocabulary

LONGEST_SPAN = 10
"""Maximum length of a span in tokens (SpanBERT). Geometric lengths of mean m cut there have the mean m (1 - (1 -
1/m)^10): 2.95 for 3, 6.5 for 10."""


@dataclass(frozen=True)
class Places:
    """The hidden positions of one piece of L tokens."""

    hidden: np.ndarray  # [L] booleans
    group: np.ndarray  # [L], from 0: the token, word or span that each token belongs to


def at_least_one(
    hidden: list[np.ndarray], ordinary_of: list[np.ndarray], groups: list[np.ndarray], rng: np.random.Generator
):
    """Hide one group if nothing is hidden yet and the unit has an ordinary token."""
    if any(h.any() for h in hidden):
        return
    places = [(i, j) for i, ordinary in enumerate(ordinary_of) for j in np.flatnonzero(ordinary)]
    if places:
        i, j = places[rng.integers(len(places))]
        hidden[i] |= ordinary_of[i] & (groups[i] == groups[i][j])


def by_group(
    pieces: Sequence[np.ndarray],
    groups: list[np.ndarray],
    rate: float,
    rng: np.random.Generator,
    vocabulary: Vocabulary,
) -> list[Places]:
    """Hide the ordinary tokens of each group (a token or a word) with probability `rate`."""
    ordinary_of = [vocabulary.ordinary(piece) for piece in pieces]
    hidden = [
        ordinary & (rng.random(int(group[-1]) + 1 if len(group) else 0)[group] < rate)
        for ordinary, group in zip(ordinary_of, groups, strict=True)
    ]
    at_least_one(hidden, ordinary_of, groups, rng)
    return [Places(h, group) for h, group in zip(hidden, groups, strict=True)]


def by_span(
    pieces: Sequence[np.ndarray], rate: float, mean: float, rng: np.random.Generator, vocabulary: Vocabulary
) -> list[Places]:
    """Hide spans until the share `rate` of the ordinary tokens of each piece is hidden (SpanBERT, Joshi et al. 2020).

    Span lengths are geometric with mean `mean`. A span ends after `LONGEST_SPAN` tokens, at a hidden token and at a
    special token.
    """
    ordinary_of = [vocabulary.ordinary(piece) for piece in pieces]
    hidden, groups = [], []
    for ordinary in ordinary_of:
        chosen, group = np.zeros(len(ordinary), bool), np.zeros(len(ordinary), np.int64)
        wanted = rate * ordinary.sum()
        count = int(wanted) + int(rng.random() < wanted % 1)
        span = 0
        while (left := count - int(chosen.sum())) > 0:
            free = np.flatnonzero(ordinary & ~chosen)
            start = int(free[rng.integers(len(free))])
            length = min(int(rng.geometric(1 / mean)), LONGEST_SPAN, left)
            span += 1
            for at in range(start, min(start + length, len(ordinary))):
                if not ordinary[at] or chosen[at]:
                    break
                chosen[at], group[at] = True, span
        hidden.append(chosen)
        groups.append(group)
    at_least_one(
        hidden, ordinary_of, [np.where(h, g, -1 - np.arange(len(g))) for h, g in zip(hidden, groups, strict=True)], rng
    )
    return [Places(h, g) for h, g in zip(hidden, groups, strict=True)]


def by_unit(unit: str, pieces: list[np.ndarray], rate: float, mean_span: float, sample: Sample) -> list[Places]:
    """Choose hidden positions by "token", "word" (which needs word boundaries) or "span"."""
    if unit == "span":
        return by_span(pieces, rate, mean_span, sample.rng, sample.vocabulary)
    if unit == "word":
        groups = [segment_numbers(found, "word") for found in sample.boundaries()]
    else:
        groups = [np.arange(len(piece)) for piece in pieces]
    return by_group(pieces, groups, rate, sample.rng, sample.vocabulary)
