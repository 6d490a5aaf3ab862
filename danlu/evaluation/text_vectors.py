"""Quality of text embeddings: retrieval of the other half of a document, alignment and uniformity, compared with random
weights and TF-IDF."""

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

MOST_DOCUMENTS = 500
SHORTEST_HALF = 8
"""In tokens. A shorter text says too little to be recognised among all others."""


def halves(
    store: TokenStore, vocabulary: Vocabulary, longest: int, most: int = MOST_DOCUMENTS
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cut two adjacent texts of at most `longest` ids from the middle of each document, without special tokens.

    Uses at most `most` documents, evenly spread over the split.
    """
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
    """Embed texts as `danlu.load(...).embed` does: mean hidden states of [bos] text [eos], of length 1, [n, width]."""
    framed = [np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]]) for ids in texts]
    return embed(model, framed, model.objective.reading_order, "mean", normalize=True)


def shown(interval: Interval) -> dict[str, float | None]:
    return {"value": interval.mean, "low": interval.low, "high": interval.high}


def retrieval_figures(a: np.ndarray, b: np.ndarray) -> dict[str, Interval]:
    """Measure how well n first halves find their second halves; unit vectors [n, width]."""
    similarity = a @ b.T
    return {
        "recall@1": weighted_interval(recall_at_1(similarity)),
        "MRR": weighted_interval(reciprocal_rank(similarity), bounds=(0, 1)),
    }


def alignment_figures(a: np.ndarray, b: np.ndarray) -> dict[str, Interval]:
    """Measure alignment and uniformity of matching unit vectors [n, width]."""
    return {"alignment": weighted_interval(distances(a, b), bounds=(0, 4)), "uniformity": uniformity(a)}


def vector_figures(models: Mapping[str, Any], store: TokenStore, vocabulary: Vocabulary) -> dict[str, Any]:
    """Return {figure: {"value", "low", "high"}} with intervals over documents; empty without two long documents.

    Args:
        models: the suffix of the figure's name -> model in eval mode; "" for the model itself.
    """
    longest = min(model.context for model in models.values()) - 2
    first, second = halves(store, vocabulary, longest)
    if len(first) < 2:
        return {}
    found: dict[str, Interval] = {}
    for name, model in models.items():
        a, b = vectors_of(model, first, vocabulary), vectors_of(model, second, vocabulary)
        found |= {
            f"{figure}{name}": value for figure, value in (retrieval_figures(a, b) | alignment_figures(a, b)).items()
        }
    both = tfidf_vectors([*first, *second])
    a, b = both[: len(first)], both[len(first) :]
    found |= {f"{figure}, TF-IDF": value for figure, value in retrieval_figures(a, b).items()}
    return {"halves to find": len(first)} | {name: shown(value) for name, value in sorted(found.items())}
