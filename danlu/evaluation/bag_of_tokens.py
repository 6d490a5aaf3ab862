"""TF-IDF vectors of token ids, a baseline for the similarity of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def tfidf_vectors(texts: Sequence[np.ndarray]) -> np.ndarray:
    """Return unit vectors [n, distinct tokens], float32; an empty text has a zero vector.

    Entries are (1 + log count) * (log((1 + n) / (1 + texts with the token)) + 1), with document frequencies from the n
    texts themselves.
    """
    distinct, column = np.unique(np.concatenate([np.zeros(0, np.int64), *texts]), return_inverse=True)
    row = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    counts = np.zeros((len(texts), len(distinct)), np.float32)
    np.add.at(counts, (row, column), 1)
    frequency = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0)
    weighted = frequency * (np.log((1 + len(texts)) / (1 + (counts > 0).sum(0))) + 1)
    length = np.sqrt((weighted**2).sum(1, keepdims=True))
    return (weighted / np.maximum(length, 1e-12)).astype(np.float32)
