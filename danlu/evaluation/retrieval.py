"""Retrieval: is the text that belongs to another the most similar of all?"""

from __future__ import annotations

import numpy as np


def rivals(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of n queries and n candidates [n, n], the own one on the diagonal: how many others are more similar than it, and
    how many exactly as similar, [n] each."""
    own = np.diag(similarity)[:, None]
    return (similarity > own).sum(1), (similarity == own).sum(1) - 1


def recall_at_1(similarity: np.ndarray) -> np.ndarray:
    """[n]: 1 where the own candidate is the most similar, 0 where another is; one of k that tie for the first place is
    taken by chance, which is 1 / k."""
    above, tied = rivals(similarity)
    return np.where(above == 0, 1 / (tied + 1), 0.0)


def reciprocal_rank(similarity: np.ndarray) -> np.ndarray:
    """[n]: 1 / rank of the own candidate, in the mean over the orders of those that tie with it."""
    above, tied = rivals(similarity)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, len(similarity) + 1))])
    return (harmonic[above + tied + 1] - harmonic[above]) / (tied + 1)
