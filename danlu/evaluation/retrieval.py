"""Retrieval metrics: the rank of the matching candidate of each query.

Shapes: n queries and their n candidates; a similarity matrix [n, n] has the matching pairs on its diagonal.
"""

from __future__ import annotations

import numpy as np


def ranks_above(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count the candidates that are more similar than the matching one, and those exactly as similar, [n] each."""
    matching = np.diag(similarity)[:, None]
    return (similarity > matching).sum(1), (similarity == matching).sum(1) - 1


def recall_at_1(similarity: np.ndarray) -> np.ndarray:
    """Return 1 where the matching candidate is the most similar, otherwise 0, [n]; 1 / k for a tie of k."""
    above, tied = ranks_above(similarity)
    return np.where(above == 0, 1 / (tied + 1), 0.0)


def reciprocal_rank(similarity: np.ndarray) -> np.ndarray:
    """Return 1 / rank of the matching candidate, [n], averaged over the orders of ties."""
    above, tied = ranks_above(similarity)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, len(similarity) + 1))])
    return (harmonic[above + tied + 1] - harmonic[above]) / (tied + 1)
