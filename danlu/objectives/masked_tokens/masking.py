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
"""Maximum length of a span in tokens (SpanBERT). A geometric distribution with mean m that is truncated at this length
has the mean m (1 - (1 - 1/m)^10): 2.95 for m = 3, 6.5 for m = 10."""


@dataclass(frozen=True)
class HiddenPositions:
    """The hidden positions of one piece of L tokens."""

    hidden: np.ndarray  # [L] booleans
    group: np.ndarray  # [L], from 0: the token, word or span that each token belongs to


def ensure_one_hidden(
    hidden: list[np.ndarray], ordinary_of: list[np.ndarray], groups: list[np.ndarray], rng: np.random.Generator
):
    """Hide one random group in place if nothing is hidden yet and there is an ordinary token."""
    if any(h.any() for h in hidden):
        return
    candidates = [(i, j) for i, ordinary in enumerate(ordinary_of) for j in np.flatnonzero(ordinary)]
    if candidates:
        i, j = candidates[rng.integers(len(candidates))]
        hidden[i] |= ordinary_of[i] & (groups[i] == groups[i][j])


def hide_groups(
    pieces: Sequence[np.ndarray],
    groups: list[np.ndarray],
    rate: float,
    rng: np.random.Generator,
    vocabulary: Vocabulary,
) -> list[HiddenPositions]:
    """Hide the ordinary tokens of each group (a token or a word) with probability `rate`."""
    ordinary_of = [vocabulary.ordinary(piece) for piece in pieces]
    hidden = [
        ordinary & (rng.random(int(group[-1]) + 1 if len(group) else 0)[group] < rate)
        for ordinary, group in zip(ordinary_of, groups, strict=True)
    ]
    ensure_one_hidden(hidden, ordinary_of, groups, rng)
    return [HiddenPositions(h, group) for h, group in zip(hidden, groups, strict=True)]


def hide_spans(
    pieces: Sequence[np.ndarray], rate: float, mean: float, rng: np.random.Generator, vocabulary: Vocabulary
) -> list[HiddenPositions]:
    """Hide spans until the share `rate` of the ordinary tokens of each piece is hidden (SpanBERT, Joshi et al. 2020).

    Span lengths have a geometric distribution with mean `mean`. A span has at most `LONGEST_SPAN` tokens and ends
    before a hidden or special token.
    """
    ordinary_of = [vocabulary.ordinary(piece) for piece in pieces]
    hidden, groups = [], []
    for ordinary in ordinary_of:
        in_span, group = np.zeros(len(ordinary), bool), np.zeros(len(ordinary), np.int64)
        expected = rate * ordinary.sum()
        count = int(expected) + int(rng.random() < expected % 1)
        span = 0
        while (remaining := count - int(in_span.sum())) > 0:
            free = np.flatnonzero(ordinary & ~in_span)
            start = int(free[rng.integers(len(free))])
            length = min(int(rng.geometric(1 / mean)), LONGEST_SPAN, remaining)
            span += 1
            for i in range(start, min(start + length, len(ordinary))):
                if not ordinary[i] or in_span[i]:
                    break
                in_span[i], group[i] = True, span
        hidden.append(in_span)
        groups.append(group)
    ensure_one_hidden(
        hidden, ordinary_of, [np.where(h, g, -1 - np.arange(len(g))) for h, g in zip(hidden, groups, strict=True)], rng
    )
    return [HiddenPositions(h, g) for h, g in zip(hidden, groups, strict=True)]


def hide_units(
    unit: str, pieces: list[np.ndarray], rate: float, mean_span: float, sample: Sample
) -> list[HiddenPositions]:
    """Choose hidden positions by unit: "token", "word" (which requires word boundaries) or "span"."""
    if unit == "span":
        return hide_spans(pieces, rate, mean_span, sample.rng, sample.vocabulary)
    if unit == "word":
        groups = [segment_numbers(flags, "word") for flags in sample.boundaries()]
    else:
        groups = [np.arange(len(piece)) for piece in pieces]
    return hide_groups(pieces, groups, rate, sample.rng, sample.vocabulary)
