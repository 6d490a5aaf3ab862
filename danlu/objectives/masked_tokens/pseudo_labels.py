"""Clusters of representations as pseudo-labels of tokens (DeepCluster, Caron et al. 2018; HuBERT, Hsu et al. 2021).

Shapes: n points, k clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from danlu import durable
from danlu.batch import ATTENTION_ORDERS, Seq, StreamSpec
from danlu.errors import WrongInput
from danlu.extras import import_optional
from danlu.objective import UnitSource
from danlu.objectives.word_vectors.cooccurrence import Cells, cooccurrence
from danlu.objectives.word_vectors.word_windows import training_counts
from danlu.packing import pack
from danlu.tokens.shards import TokenStore
from danlu.tokens.units import WindowUnits

NO_CLUSTER = np.uint16(65535)
"""The stored label of special tokens."""

MAX_CLUSTERS = 65_000
SEED = 0
FITTED_POSITIONS = 65_536
"""Approximate number of hidden states to which centroids are fitted: complete windows, evenly spaced over the text."""

WINDOWS_PER_BATCH = 16
SVD_WINDOW, SVD_WIDTH = 5, 64


def k_means(points: np.ndarray, k: int, weights: np.ndarray | None = None) -> Any:
    """Fit scikit-learn's MiniBatchKMeans on the rows of [n, width], deterministically."""
    library = import_optional("sklearn.cluster", "eval", "clustering")
    return library.MiniBatchKMeans(k, random_state=SEED, n_init=3, batch_size=4096).fit(points, sample_weight=weights)


def spectral_vectors(cells: Cells, size: int) -> np.ndarray:
    """Return word vectors [size, width] of length 1; the vector of a token without co-occurrences is 0.

    The vectors are left singular vectors of the positive pointwise mutual information, scaled by the square root of the
    singular values (Levy and Goldberg 2014).
    """
    sparse = import_optional("scipy.sparse", "eval", "clustering")
    library = import_optional("sklearn.decomposition", "eval", "clustering")
    rows = np.bincount(cells.first, cells.count, size)
    columns = np.bincount(cells.second, cells.count, size)
    information = np.log(cells.count * rows.sum() / (rows[cells.first] * columns[cells.second]))
    positive = information > 0
    at = (cells.first[positive], cells.second[positive])
    table = sparse.csr_matrix((information[positive], at), (size, size))
    width = min(SVD_WIDTH, size - 1)
    svd = library.TruncatedSVD(width, random_state=SEED).fit(table)
    vectors = svd.transform(table) / np.sqrt(np.maximum(svd.singular_values_, 1e-12))
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def labels_by_token(source: UnitSource, k: int) -> Callable[[WindowUnits], Iterator[np.ndarray]]:
    """Return a function that labels each token of windows by the cluster of its word vector."""
    counts = training_counts(source)
    vectors = spectral_vectors(cooccurrence(source, SVD_WINDOW), source.vocabulary.size)
    occurring = np.flatnonzero(counts)
    centroids = k_means(vectors[occurring], min(k, len(occurring)), np.sqrt(counts[occurring]))
    cluster = centroids.predict(vectors)

    def label(windows: WindowUnits) -> Iterator[np.ndarray]:
        for i in range(len(windows)):
            yield cluster[np.concatenate(windows.pieces(i))]

    return label


def labels_by_teacher(
    source: UnitSource, name: str, k: int, unit_tokens: int
) -> Callable[[WindowUnits], Iterator[np.ndarray]]:
    """Return a function that labels each token of windows by the cluster of its hidden state in an earlier model."""
    teacher = source.model(name)
    if unit_tokens > teacher.context:
        raise WrongInput(
            f"objective.unit_tokens {unit_tokens} exceeds the context of the teacher {name!r}; lower it to at most "
            f"{teacher.context}"
        )
    train = WindowUnits(source.store("train"), unit_tokens)
    step = max(1, len(train) * unit_tokens // FITTED_POSITIONS)
    states = hidden_states(teacher, train, range(0, len(train), step))
    ordinary = [source.vocabulary.ordinary(np.concatenate(train.pieces(i))) for i in range(0, len(train), step)]
    points = np.concatenate([window[text] for window, text in zip(states, ordinary, strict=True)])
    centroids = k_means(points, min(k, len(points)))

    def label(windows: WindowUnits) -> Iterator[np.ndarray]:
        yield from (centroids.predict(states) for states in hidden_states(teacher, windows, range(len(windows))))

    return label


@torch.no_grad()
def hidden_states(teacher: Any, windows: WindowUnits, numbers: range) -> Iterator[np.ndarray]:
    """Yield the hidden states [tokens, width] float32 of each of these windows, with the teacher's reading order."""
    order = ATTENTION_ORDERS[teacher.objective.reading_order]
    device = next(teacher.parameters()).device
    for start in range(0, len(numbers), WINDOWS_PER_BATCH):
        pieces = [windows.pieces(i) for i in numbers[start : start + WINDOWS_PER_BATCH]]
        seqs = [Seq({"token": piece}, *order(len(piece))) for window in pieces for piece in window]
        stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"].to(device)
        states = teacher.hidden(stream).float().cpu().numpy()
        ends = np.cumsum([sum(len(piece) for piece in window) for window in pieces])
        yield from np.split(states, ends[:-1])


def pseudo_labels(source: UnitSource, teacher: str | None, k: int, unit_tokens: int, split: str) -> np.ndarray:
    """Return the cluster of each token of a split, [tokens] uint16; special tokens have `NO_CLUSTER`.

    The first call labels all splits with centroids fitted to the training split and caches the labels.
    """
    folder = source.folder / "labels"

    def fill(fresh: Path) -> None:
        label = labels_by_teacher(source, teacher, k, unit_tokens) if teacher else labels_by_token(source, k)
        for name in ("train", "validation", "test"):
            windows = WindowUnits(source.store(name), unit_tokens)
            with (fresh / f"{name}.labels").open("wb") as file:
                for i, clusters in enumerate(label(windows)):
                    text = source.vocabulary.ordinary(np.concatenate(windows.pieces(i)))
                    file.write(np.where(text, clusters, NO_CLUSTER).astype("<u2").tobytes())

    if not folder.exists():
        durable.write_folder(folder, fill)
    return np.memmap(folder / f"{split}.labels", np.dtype("<u2"), "r")


def split_tokens(store: TokenStore) -> np.ndarray:
    """Return all tokens of a split, [tokens], in the order of `pseudo_labels`."""
    return np.concatenate([store.document(i) for i in range(store.documents)])
