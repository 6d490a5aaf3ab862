"""chrF, the F-score of character n-grams (Popović 2015)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

ORDER = 6
"""Maximum length of n-grams, in characters."""

BETA = 2
"""Weight of recall relative to precision in the F-score."""


def ngrams(text: str, n: int) -> Counter[str]:
    """Count the character n-grams of a text without its white space."""
    characters = "".join(text.split())
    return Counter(characters[i : i + n] for i in range(len(characters) - n + 1))


def match_counts(hypothesis: str, reference: str) -> list[tuple[int, int, int]]:
    """Count n-grams for n = 1 to `ORDER`.

    Returns:
        For each n, the numbers of n-grams of the hypothesis (0 if the reference has none), of the reference, and of
        both.
    """
    counts = []
    for n in range(1, ORDER + 1):
        hyp, ref = ngrams(hypothesis, n), ngrams(reference, n)
        counts.append((hyp.total() if ref else 0, ref.total(), (hyp & ref).total()))
    return counts


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Return the corpus-level chrF2 of texts, in [0, 100].

    Counts are summed over the texts. Precision and recall are means over the n-gram orders that occur on both sides.
    """
    total = [(0, 0, 0)] * ORDER
    for pair in zip(hypotheses, references, strict=True):
        total = [tuple(map(sum, zip(a, b, strict=True))) for a, b in zip(total, match_counts(*pair), strict=True)]
    counts = [(hyp, ref, both) for hyp, ref, both in total if hyp and ref]
    if not counts:
        return 0.0
    precision = sum(both / hyp for hyp, _, both in counts) / len(counts)
    recall = sum(both / ref for _, ref, both in counts) / len(counts)
    if precision + recall == 0:
        return 0.0
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
