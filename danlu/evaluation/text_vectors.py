"""What the vectors are worth that a model gives to texts: halves of documents found again, alignment, uniformity,
beside the same architecture with random weights and a bag of tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from danlu.evaluation.alignment import distances, uniformity
from danlu.evaluation.bag_of_tokens import tfidf_vectors
from danlu.evaluation.embedding import embed
from danlu.evaluation.retrieval import recall_at_1, reciprocal_rank
from danlu.metrics.intervals import Interval, weighted_interval
from danlu.tokens.shards import TokenStore
from danlu.tokens.vocabulary import Vocabulary

pass

MOST_DOCUMENTS = 500
SHORTEST_HALF = 8
"""Tokens; what is shorter says too little to be told from all others."""


def halves(
    store: TokenStore, vocabulary: Vocabulary, longest: int, most: int = MOST_DOCUMENTS
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Two neighbouring texts of at most `longest` ids out of the middle of each document, without beginning and end
    tokens; of at most `most` documents, evenly over the split."""
    first, second = [], []
    for i in np.unique(np.linspace(0, store.documents - 1, min(most, store.documents)).astype(int)).tolist():
        ids = store.document(i)
        ids = ids[(ids != vocabulary.bos) & (ids != vocabulary.eos)]
        middle = len(ids) // 2
        if middle >= SHORTEST_HALF:
            first.append(ids[max(0, middle - longest) : middle])
            second.append(ids[middle : middle + longest])
    return first, second


def vectors_of(model: Any, texts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
    """[n, width] float32 rows of length 1: mean hidden states of [bos] text [eos], as `danlu.load(...).embed` gives."""
    framed = [np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]]) for ids in texts]
    return embed(model, framed, model.objective.reading_order, "mean", normalize=True)


def shown(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.mean, "low": interval.low, "high": interval.high}


def found_again(a: np.ndarray, b: np.ndarray) -> dict[str, Interval]:
    """Of n first and n second halves, rows of length 1."""
    similarity = a @ b.T
    return {
        "recall@1": weighted_interval(recall_at_1(similarity)),
        "MRR": weighted_interval(reciprocal_rank(similarity), bounds=(0, 1)),
    }


def spread(a: np.ndarray, b: np.ndarray) -> dict[str, Interval]:
    return {"alignment": weighted_interval(distances(a, b), bounds=(0, 4)), "uniformity": uniformity(a)}


def vector_figures(models: Mapping[str, Any], store: TokenStore, vocabulary: Vocabulary) -> dict[str, Any]:
    """{figure: {"value", "low", "high"}} with intervals over documents. models: by what is said after a figure of it,
    the model itself by ""; all in eval mode. Empty where fewer than two documents are long enough."""
    longest = min(model.context for model in models.values()) - 2
    first, second = halves(store, vocabulary, longest)
    if len(first) < 2:
        return {}
    found: dict[str, Interval] = {}
    for name, model in models.items():
        a, b = vectors_of(model, first, vocabulary), vectors_of(model, second, vocabulary)
        found |= {f"{figure}{name}": value for figure, value in (found_again(a, b) | spread(a, b)).items()}
    both = tfidf_vectors([*first, *second])
    a, b = both[: len(first)], both[len(first) :]
    found |= {f"{figure}, TF-IDF": value for figure, value in found_again(a, b).items()}
    return {"halves to find": len(first)} | {name: shown(value) for name, value in sorted(found.items())}
