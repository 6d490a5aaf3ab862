"""Which positions of a unit to hide: by token, by whole word, by span. What is hidden together shares its fate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.objective import Sample
from danlu.tokens.bounds import segment_numbers
from danlu.tokens.vocabulary import Vocabulary

LONGEST_SPAN = 10
"""Tokens of a span, at most (SpanBERT). Lengths of mean m that are cut there have the mean m (1 - (1 - 1/m)^10): 2.95
for 3, 6.5 for 10."""


@dataclass(frozen=True)
class Places:
    """For one piece of L tokens: what is hidden, [L] booleans, and which group each token is in, [L] from 0."""

    hidden: np.ndarray
    group: np.ndarray


def at_least_one(hidden: list[np.ndarray], may: list[np.ndarray], groups: list[np.ndarray], rng: np.random.Generator):
    """Hide one group, where the unit has an ordinary token at all and nothing is hidden yet."""
    if any(h.any() for h in hidden):
        return
    places = [(i, j) for i, ordinary in enumerate(may) for j in np.flatnonzero(ordinary)]
    if places:
        i, j = places[rng.integers(len(places))]
        hidden[i] |= may[i] & (groups[i] == groups[i][j])


def by_group(
    pieces: Sequence[np.ndarray],
    groups: list[np.ndarray],
    rate: float,
    rng: np.random.Generator,
    vocabulary: Vocabulary,
) -> list[Places]:
    """Each group (a token, a word) with probability `rate`, its ordinary tokens all together."""
    may = [vocabulary.ordinary(piece) for piece in pieces]
    hidden = [
        ordinary & (rng.random(int(group[-1]) + 1 if len(group) else 0)[group] < rate)
        for ordinary, group in zip(may, groups, strict=True)
    ]
    at_least_one(hidden, may, groups, rng)
    return [Places(h, group) for h, group in zip(hidden, groups, strict=True)]


def by_span(
    pieces: Sequence[np.ndarray], rate: float, mean: float, rng: np.random.Generator, vocabulary: Vocabulary
) -> list[Places]:
    """Spans of geometric length (SpanBERT, Joshi et al. 2020) of that mean, each cut at `LONGEST_SPAN`, at what is
    hidden already and at special tokens, until `rate` of the ordinary tokens of a piece are hidden."""
    may = [vocabulary.ordinary(piece) for piece in pieces]
    hidden, groups = [], []
    for ordinary in may:
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
        hidden, may, [np.where(h, g, -1 - np.arange(len(g))) for h, g in zip(hidden, groups, strict=True)], rng
    )
    return [Places(h, g) for h, g in zip(hidden, groups, strict=True)]


def by_unit(unit: str, pieces: list[np.ndarray], rate: float, mean_span: float, sample: Sample) -> list[Places]:
    """Of the pieces of a draw, by "token", "word" (of which the draw knows the bounds) or "span"."""
    if unit == "span":
        return by_span(pieces, rate, mean_span, sample.rng, sample.vocabulary)
    if unit == "word":
        groups = [segment_numbers(found, "word") for found in sample.boundaries()]
    else:
        groups = [np.arange(len(piece)) for piece in pieces]
    return by_group(pieces, groups, rate, sample.rng, sample.vocabulary)
