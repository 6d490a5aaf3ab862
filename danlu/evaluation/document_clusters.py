"""Clusters of documents by their embeddings: an overview of what a corpus is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.errors import WrongInput
from danlu.extras import need
from danlu.text.stop_words import CHINESE, ENGLISH
from danlu.text.words import words

SEED, STARTS = 0, 4
PRIOR_WORDS = 500.0
"""Strength of the prior from all clusters, as a number of words."""

SHORTEST = 3


@dataclass(frozen=True)
class Cluster:
    """A cluster of documents."""

    size: int  # documents
    typical: list[int]  # indices of the documents nearest to the centre, nearest first
    words: list[tuple[str, float]]  # (word, score), most distinctive first


def centred(vectors: np.ndarray) -> np.ndarray:
    """Subtract the mean of all vectors [n, width] and normalise each to length 1."""
    apart = vectors - vectors.mean(0)
    return apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-12)


def content_words(text: str) -> Counter[str]:
    """Count the words of a text in lower case, without stop words, punctuation and numbers."""
    found = (word.lower() for word in words(text))
    return Counter(
        w for w in found if w.isalpha() and (len(w) >= SHORTEST or not w.isascii()) and w not in ENGLISH | CHINESE
    )


def distinctive(inside: Counter[str], everywhere: Counter[str], top: int) -> list[tuple[str, float]]:
    """Return the words with the highest log odds inside compared with outside, in standard deviations.

    Log odds with an informative Dirichlet prior (Monroe et al. 2008).
    """
    names = sorted(inside)
    total = sum(everywhere.values())
    a, n = np.array([inside[w] for w in names], float), sum(inside.values())
    all_of = np.array([everywhere[w] for w in names], float)
    b, m = all_of - a, total - n
    prior = PRIOR_WORDS * all_of / max(total, 1)

    def log_odds(count: np.ndarray, size: int) -> np.ndarray:
        return np.log(count + prior) - np.log(size + PRIOR_WORDS - count - prior)

    score = (log_odds(a, n) - log_odds(b, m)) / np.sqrt(1 / (a + prior) + 1 / (b + prior))
    return [(names[i], float(score[i])) for i in np.argsort(-score, kind="stable")[:top] if score[i] > 0]


def document_clusters(
    vectors: np.ndarray, texts: Sequence[str], k: int, typical: int = 3, top: int = 10
) -> list[Cluster]:
    """Cluster n texts by k-means over their vectors [n, width]; the largest cluster comes first. Deterministic.

    Raises:
        WrongInput: if there are fewer texts than clusters.
    """
    if len(texts) < k:
        raise WrongInput(f"{len(texts)} documents cannot form {k} clusters; ask for fewer with --k")
    library = need("sklearn.cluster", "eval", "clustering")
    points = centred(vectors.astype(np.float64))
    found = library.KMeans(k, n_init=STARTS, random_state=SEED).fit(points)
    counts = [content_words(text) for text in texts]
    everywhere = sum(counts, Counter())
    clusters = []
    for number in range(k):
        members = np.flatnonzero(found.labels_ == number)
        distance = np.linalg.norm(points[members] - found.cluster_centers_[number], axis=1)
        nearest = members[np.argsort(distance, kind="stable")[:typical]]
        inside = sum((counts[i] for i in members), Counter())
        clusters.append(Cluster(len(members), nearest.tolist(), distinctive(inside, everywhere, top)))
    return sorted(clusters, key=lambda cluster: (-cluster.size, cluster.typical))
