"""Evaluate text embeddings by retrieval of document halves, alignment and uniformity.

The model is compared with random weights and TF-IDF vectors.
"""

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

MAX_DOCUMENTS = 500
MIN_HALF_TOKENS = 8
"""In tokens. Shorter halves have too little content to be retrieved."""


def document_halves(
    store: TokenStore, vocabulary: Vocabulary, longest: int, most: int = MAX_DOCUMENTS
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return two adjacent texts from the middle of each document, without special tokens.

    Args:
        longest: maximum length of each text in tokens.
        most: maximum number of documents, evenly spread over the split.
    """
    first, second = [], []
    for i in np.unique(np.linspace(0, store.documents - 1, min(most, store.documents)).astype(int)).tolist():
        ids = store.document(i)
        ids = ids[(ids != vocabulary.bos) & (ids != vocabulary.eos)]
        middle = len(ids) // 2
        if middle >= MIN_HALF_TOKENS:
            first.append(ids[max(0, middle - longest) : middle])
            second.append(ids[middle : middle + longest])
    return first, second


def embed_texts(model: Any, texts: Sequence[np.ndarray], vocabulary: Vocabulary) -> np.ndarray:
    """Embed texts as `danlu.load(...).embed` does: normalised mean hidden states of [bos] text [eos], [n, width]."""
    framed = [np.concatenate([[vocabulary.bos], ids, [vocabulary.eos]]) for ids in texts]
    return embed(model, framed, model.objective.reading_order, "mean", normalize=True)


def interval_json(interval: Interval) -> dict[str, float | None]:
    """Return an interval in the form of a figure in results.json."""
    return {"value": interval.mean, "low": interval.low, "high": interval.high}


def retrieval_figures(a: np.ndarray, b: np.ndarray) -> dict[str, Interval]:
    """Measure the retrieval of second halves by first halves, given as unit vectors [n, width]."""
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
        models: models in eval mode by the suffix of the figure's name; "" for the model itself.
    """
    longest = min(model.context for model in models.values()) - 2
    first, second = document_halves(store, vocabulary, longest)
    if len(first) < 2:
        return {}
    figures: dict[str, Interval] = {}
    for name, model in models.items():
        a, b = embed_texts(model, first, vocabulary), embed_texts(model, second, vocabulary)
        measured = retrieval_figures(a, b) | alignment_figures(a, b)
        figures |= {f"{figure}{name}": value for figure, value in measured.items()}
    tfidf = tfidf_vectors([*first, *second])
    a, b = tfidf[: len(first)], tfidf[len(first) :]
    figures |= {f"{figure}, TF-IDF": value for figure, value in retrieval_figures(a, b).items()}
    return {"halves to find": len(first)} | {name: interval_json(value) for name, value in sorted(figures.items())}
