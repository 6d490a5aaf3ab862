"""Co-occurrence counts of words, computed on disk in bounded memory.

Shapes: n cells of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from danlu import durable
from danlu.objective import UnitSource
from danlu.tokens.shards import TokenStore

CHUNK_TOKENS = 1 << 19
"""Approximate number of tokens that are counted at once."""

BUCKET_PAIRS = 1 << 23
"""Approximate number of pairs that are sorted at once, which bounds the memory."""

PARTS = {"first": np.dtype("<i4"), "second": np.dtype("<i4"), "count": np.dtype("<f4")}
"""The files of a split: the fields of `Cells`, with their dtypes."""

SPLIT_RANGES = {"validation": (0.0, 0.01), "test": (0.01, 0.02), "train": (0.02, 1.0)}
"""The range of hashes, scaled to [0, 1), of the pairs of each split."""


@dataclass(frozen=True)
class Cells:
    """The non-zero cells of a co-occurrence table, in random order."""

    first: np.ndarray  # [n], ids of the first words
    second: np.ndarray  # [n], ids of the second words
    count: np.ndarray  # [n] float32, weighted counts

    def __len__(self) -> int:
        return len(self.count)


def hash_keys(keys: np.ndarray) -> np.ndarray:
    """Hash 64-bit keys one-to-one with the finaliser of SplitMix64 (Steele et al. 2014)."""
    x = keys.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sum_by_key(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct keys in ascending order of their hashes, each with the sum of its counts (float64)."""
    order = np.argsort(hash_keys(keys), kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(counts[order], starts) if len(keys) else counts
    return keys[starts], sums


def document_chunks(store: TokenStore) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ids and document indices, [tokens] each, of complete documents, about CHUNK_TOKENS tokens at a time."""
    documents: list[np.ndarray] = []
    size = 0
    for i in range(store.documents):
        documents.append(store.document(i))
        size += len(documents[-1])
        if size >= CHUNK_TOKENS or i == store.documents - 1:
            yield np.concatenate(documents), np.repeat(np.arange(len(documents)), [len(ids) for ids in documents])
            documents, size = [], 0


def nearby_pairs(ids: np.ndarray, document: np.ndarray, window: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the keys and weights of all ordered pairs of words at most `window` words apart in one document.

    The key of a pair is first * size + second; its weight is 1 / distance (Pennington et al. 2014).
    """
    keys, weights = [], []
    for distance in range(1, window + 1):
        same_document = document[:-distance] == document[distance:]
        left, right = ids[:-distance][same_document], ids[distance:][same_document]
        keys += [left * size + right, right * size + left]
        weights.append(np.full(2 * len(left), 1 / distance))
    return np.concatenate(keys), np.concatenate(weights)


def cooccurrence(source: UnitSource, window: int, split: str | None = None) -> Cells:
    """Return the cells of the co-occurrence table of the training text, without special tokens. Cached.

    Args:
        source: the tokens.
        window: maximum distance of two words.
        split: return only the cells of this split; None: all cells.
    """
    folder = source.folder / f"cooccurrence-{window}"
    if not folder.exists():
        durable.write_folder(folder, lambda fresh: count_pairs(fresh, source, window))
    names = [split] if split else list(SPLIT_RANGES)
    parts = {
        part: [np.memmap(path, dtype, "r") for name in names if (path := folder / f"{name}.{part}").stat().st_size]
        for part, dtype in PARTS.items()
    }
    joined = {k: v[0] if len(v) == 1 else np.concatenate([np.zeros(0, PARTS[k]), *v]) for k, v in parts.items()}
    return Cells(**joined)


def count_pairs(folder: Path, source: UnitSource, window: int) -> None:
    """Count all pairs of the training text and write the cells of each split into `folder`.

    Pairs are distributed to buckets by hash and summed bucket by bucket in bounded memory. The cells are therefore in a
    pseudo-random order.
    """
    store, size = source.store("train"), source.vocabulary.size
    buckets = max(1, -(-2 * window * store.tokens // BUCKET_PAIRS))
    spool = folder / "spool"
    spool.mkdir()
    for ids, document in document_chunks(store):
        text = source.vocabulary.ordinary(ids)
        keys, sums = sum_by_key(*nearby_pairs(ids[text], document[text], window, size))
        bucket_of = (hash_keys(keys) % np.uint64(buckets)).astype(np.int64)
        order = np.argsort(bucket_of, kind="stable")
        bounds = np.searchsorted(bucket_of[order], np.arange(buckets + 1))
        for bucket in range(buckets):
            members = order[bounds[bucket] : bounds[bucket + 1]]
            append(spool / f"{bucket}.keys", keys[members])
            append(spool / f"{bucket}.sums", sums[members])
    for name in SPLIT_RANGES:
        for part, dtype in PARTS.items():
            append(folder / f"{name}.{part}", np.zeros(0, dtype))
    for bucket in range(buckets):
        write_cells(folder, spool / f"{bucket}.keys", spool / f"{bucket}.sums", size)
    spool.rmdir()


def write_cells(folder: Path, keys_file: Path, sums_file: Path, size: int) -> None:
    """Append the cells of one bucket to the files of their splits, and delete the files of the bucket.

    Both cells of a pair of words are in the same split, since they have the same count.
    """
    keys, counts = sum_by_key(np.fromfile(keys_file, np.int64), np.fromfile(sums_file, np.float64))
    words = keys // size, keys % size
    pair = np.minimum(*words) * size + np.maximum(*words)
    share = (hash_keys(pair ^ np.int64(0x5DEECE66D)) >> np.uint64(11)) / float(1 << 53)
    for name, (low, high) in SPLIT_RANGES.items():
        inside = (share >= low) & (share < high)
        cells = {"first": words[0][inside], "second": words[1][inside], "count": counts[inside]}
        for part, dtype in PARTS.items():
            append(folder / f"{name}.{part}", cells[part].astype(dtype))
    keys_file.unlink()
    sums_file.unlink()


def append(path: Path, values: np.ndarray) -> None:
    """Append the bytes of an array to a file."""
    with path.open("ab") as file:
        file.write(values.tobytes())
