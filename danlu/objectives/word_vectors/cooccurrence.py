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
BUCKET_PAIRS = 1 << 23
"""Approximate number of pairs sorted at once, which bounds the memory."""

PARTS = {"first": np.dtype("<i4"), "second": np.dtype("<i4"), "count": np.dtype("<f4")}
HELD_OUT = {"validation": (0.0, 0.01), "test": (0.01, 0.02), "train": (0.02, 1.0)}
"""The range of the hash of a pair, as a fraction of 1, that belongs to each split."""


@dataclass(frozen=True)
class Cells:
    """The non-zero cells of a co-occurrence table, in random order."""

    first: np.ndarray  # [n], ids of words
    second: np.ndarray  # [n]
    count: np.ndarray  # [n] float32

    def __len__(self) -> int:
        return len(self.count)


def hash_keys(keys: np.ndarray) -> np.ndarray:
    """Hash uint64 keys one-to-one (the finaliser of SplitMix64, Steele et al. 2014)."""
    x = keys.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def sum_by_key(keys: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each key once, in ascending order of its hash, with the sum of its counts (float64)."""
    order = np.argsort(hash_keys(keys), kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(counts[order], starts) if len(keys) else counts
    return keys[starts], sums


def chunks(store: TokenStore) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield whole documents, about CHUNK_TOKENS tokens at a time: ids [n] and document indices [n]."""
    held: list[np.ndarray] = []
    size = 0
    for i in range(store.documents):
        held.append(store.document(i))
        size += len(held[-1])
        if size >= CHUNK_TOKENS or i == store.documents - 1:
            yield np.concatenate(held), np.repeat(np.arange(len(held)), [len(ids) for ids in held])
            held, size = [], 0


def near_pairs(ids: np.ndarray, document: np.ndarray, window: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return all ordered pairs of words at most `window` words apart in one document, and their weights.

    A pair is the key first * size + second; its weight is 1 / distance (Pennington et al. 2014).
    """
    keys, weights = [], []
    for distance in range(1, window + 1):
        together = document[:-distance] == document[distance:]
        left, right = ids[:-distance][together], ids[distance:][together]
        keys += [left * size + right, right * size + left]
        weights.append(np.full(2 * len(left), 1 / distance))
    return np.concatenate(keys), np.concatenate(weights)


def cooccurrence(source: UnitSource, window: int, split: str | None = None) -> Cells:
    """Return the cells of the table of the training text, without special tokens. Cached.

    Args:
        split: return only the cells of this split.
    """
    folder = source.folder / f"cooccurrence-{window}"
    if not folder.exists():
        durable.write_folder(folder, lambda fresh: count_pairs(fresh, source, window))
    names = [split] if split else list(HELD_OUT)
    found = {
        part: [np.memmap(path, dtype, "r") for name in names if (path := folder / f"{name}.{part}").stat().st_size]
        for part, dtype in PARTS.items()
    }
    joined = {k: v[0] if len(v) == 1 else np.concatenate([np.zeros(0, PARTS[k]), *v]) for k, v in found.items()}
    return Cells(**joined)


def count_pairs(folder: Path, source: UnitSource, window: int) -> None:
    """Count all pairs of the training text.

    Pairs are distributed to buckets by hash and summed bucket by bucket, so that cells are in the order of their
    hashes.
    """
    store, size = source.store("train"), source.vocabulary.size
    buckets = max(1, -(-2 * window * store.tokens // BUCKET_PAIRS))
    spool = folder / "spool"
    spool.mkdir()
    for ids, document in chunks(store):
        text = source.vocabulary.ordinary(ids)
        keys, sums = sum_by_key(*near_pairs(ids[text], document[text], window, size))
        which = (hash_keys(keys) % np.uint64(buckets)).astype(np.int64)
        order = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[order], np.arange(buckets + 1))
        for bucket in range(buckets):
            chosen = order[bounds[bucket] : bounds[bucket + 1]]
            append(spool / f"{bucket}.keys", keys[chosen])
            append(spool / f"{bucket}.sums", sums[chosen])
    for name in HELD_OUT:
        for part, dtype in PARTS.items():
            append(folder / f"{name}.{part}", np.zeros(0, dtype))
    for bucket in range(buckets):
        write_cells(folder, spool / f"{bucket}.keys", spool / f"{bucket}.sums", size)
    spool.rmdir()


def write_cells(folder: Path, keys_file: Path, sums_file: Path, size: int) -> None:
    """Write the cells of one bucket to the split that the hash of their pair selects, and delete the bucket's files.

    Both orders of a pair go to the same split: they have the same count, so that one would reveal the other.
    """
    keys, counts = sum_by_key(np.fromfile(keys_file, np.int64), np.fromfile(sums_file, np.float64))
    words = keys // size, keys % size
    pair = np.minimum(*words) * size + np.maximum(*words)
    share = (hash_keys(pair ^ np.int64(0x5DEECE66D)) >> np.uint64(11)) / float(1 << 53)
    for name, (low, high) in HELD_OUT.items():
        chosen = (share >= low) & (share < high)
        found = {"first": words[0][chosen], "second": words[1][chosen], "count": counts[chosen]}
        for part, dtype in PARTS.items():
            append(folder / f"{name}.{part}", found[part].astype(dtype))
    keys_file.unlink()
    sums_file.unlink()


def append(path: Path, values: np.ndarray) -> None:
    with path.open("ab") as file:
        file.write(values.tobytes())
