"""Cluster documents by their embeddings, as an overview of the topics of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.errors import WrongInput
from danlu.extras import import_optional
from danlu.text.stop_words import CHINESE, ENGLISH
from danlu.text.words import words

SEED = 0
RESTARTS = 4  # of k-means
PRIOR_WORDS = 500.0
"""Strength of the prior from all clusters, in words."""

MIN_WORD_LENGTH = 3  # of ASCII words, in characters


@dataclass(frozen=True)
class Cluster:
    """A cluster of documents."""

    size: int  # documents
    typical: list[int]  # indices of the documents nearest to the centre, nearest first
    words: list[tuple[str, float]]  # (word, score), most distinctive first


def centre_vectors(vectors: np.ndarray) -> np.ndarray:
    """Subtract the mean of all vectors [n, width] and normalise each to length 1."""
    centred = vectors - vectors.mean(0)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)


def content_words(text: str) -> Counter[str]:
    """Count the words of a text in lower case, without stop words, punctuation and numbers."""
    lower = (word.lower() for word in words(text))
    return Counter(
        w
        for w in lower
        if w.isalpha() and (len(w) >= MIN_WORD_LENGTH or not w.isascii()) and w not in ENGLISH | CHINESE
    )


def distinctive_words(inside: Counter[str], everywhere: Counter[str], top: int) -> list[tuple[str, float]]:
    """Return the `top` words by the log odds ratio of a cluster and all other clusters, as z-scores.

    The log odds ratio has an informative Dirichlet prior (Monroe et al. 2008).

    Args:
        inside: word counts of the cluster.
        everywhere: word counts of all clusters.
    """
    names = sorted(inside)
    total = sum(everywhere.values())
    a, n = np.array([inside[w] for w in names], float), sum(inside.values())
    counts = np.array([everywhere[w] for w in names], float)
    b, m = counts - a, total - n
    prior = PRIOR_WORDS * counts / max(total, 1)

    def log_odds(count: np.ndarray, size: int) -> np.ndarray:
        return np.log(count + prior) - np.log(size + PRIOR_WORDS - count - prior)

    score = (log_odds(a, n) - log_odds(b, m)) / np.sqrt(1 / (a + prior) + 1 / (b + prior))
    return [(names[i], float(score[i])) for i in np.argsort(-score, kind="stable")[:top] if score[i] > 0]


def document_clusters(
    vectors: np.ndarray, texts: Sequence[str], k: int, typical: int = 3, top: int = 10
) -> list[Cluster]:
    """Cluster n texts by k-means of their vectors [n, width]. The largest cluster comes first. Deterministic.

    Args:
        typical: number of typical documents per cluster.
        top: number of distinctive words per cluster.

    Raises:
        WrongInput: if there are fewer texts than clusters.
    """
    if len(texts) < k:
        raise WrongInput(f"{len(texts)} documents cannot form {k} clusters; choose fewer with --k")
    sklearn_cluster = import_optional("sklearn.cluster", "eval", "clustering")
    points = centre_vectors(vectors.astype(np.float64))
    kmeans = sklearn_cluster.KMeans(k, n_init=RESTARTS, random_state=SEED).fit(points)
    word_counts = [content_words(text) for text in texts]
    everywhere = sum(word_counts, Counter())
    clusters = []
    for number in range(k):
        members = np.flatnonzero(kmeans.labels_ == number)
        distance = np.linalg.norm(points[members] - kmeans.cluster_centers_[number], axis=1)
        nearest = members[np.argsort(distance, kind="stable")[:typical]]
        inside = sum((word_counts[i] for i in members), Counter())
        clusters.append(Cluster(len(members), nearest.tolist(), distinctive_words(inside, everywhere, top)))
    return sorted(clusters, key=lambda cluster: (-cluster.size, cluster.typical))
