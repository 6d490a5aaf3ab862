"""Near-duplicates between splits: held-out documents that nearly duplicate a training document.

Each document is a set of shingles (runs of 5 characters of its normal form), each shingle a 64-bit hash. The sketch of
a document is its 128 smallest hashes (Broder 1997). Documents whose sketches overlap enough are candidates; the Jaccard
similarity of all their hashes decides. To bound time and memory, only a sample of a large split is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.text.documents import Document
from danlu.text.near_duplicates import SHINGLE
from danlu.text.normal_form import normal_form
from danlu.text.split import fraction

THRESHOLD = 0.8
"""Minimum Jaccard similarity of near-duplicates."""

SKETCH = 128
CANDIDATE = 0.6
"""Minimum overlap of two sketches for an exact comparison. It is five standard deviations below the expected overlap
of documents with a similarity of 0.8."""

MAX_CHARACTERS = 100_000
"""Characters at the beginning of a document that are compared."""

TRAIN_CHARACTERS, TRAIN_DOCUMENTS = 20_000_000, 20_000
HELD_OUT_CHARACTERS, HELD_OUT_DOCUMENTS = 2_000_000, 2_000
"""Maximum size of a split that is compared in full; of a larger one, a sample of about this size is compared."""

EXAMPLES = 3
PRIME = np.uint64(0x100000001B3)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
"""The constants of SplitMix64 (Steele, Lea & Flood 2014), which mixes the bits of a shingle's hash."""

RULE = (
    f"Held-out documents whose {SHINGLE}-character shingles overlap by {THRESHOLD} (Jaccard) or more with those of a "
    f"document in train (for test, also in validation), by the first {MAX_CHARACTERS:,} characters; case and white "
    "space are ignored. If only a sample of train is compared, the counts are lower bounds."
)


def shingle_hashes(text: str) -> np.ndarray:
    """Return the distinct hashes of the shingles of a text in ascending order, [n] uint64."""
    codes = np.frombuffer(normal_form(text[:MAX_CHARACTERS]).encode("utf-32-le"), "<u4").astype(np.uint64)
    shingles = max(1, len(codes) - SHINGLE + 1)
    hashes = np.zeros(shingles, np.uint64)
    for offset in range(min(SHINGLE, len(codes))):
        hashes = hashes * PRIME + codes[offset : offset + shingles]
    hashes = (hashes ^ (hashes >> np.uint64(30))) * FIRST
    hashes = (hashes ^ (hashes >> np.uint64(27))) * SECOND
    return np.unique(hashes ^ (hashes >> np.uint64(31)))


def similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Jaccard similarity of two sorted sets of hashes."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


@dataclass(frozen=True)
class HeldOut:
    """A held-out document with its shingle hashes."""

    split: str
    name: str
    hashes: np.ndarray


class Index:
    """An index of held-out documents by the hashes in their sketches."""

    def __init__(self, documents: Iterable[HeldOut]):
        self.documents = list(documents)
        self.near: dict[int, str] = {}
        """{index of a document: name of the first near-duplicate found}."""
        sketches = [document.hashes[:SKETCH] for document in self.documents]
        self._sizes = np.array([len(sketch) for sketch in sketches], np.int64)
        hashes = np.concatenate([np.zeros(0, np.uint64), *sketches])
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._owners = np.repeat(np.arange(len(sketches)), self._sizes)[order]

    def compare(self, document: Document, splits: Iterable[str]) -> None:
        """Record this document as a near-duplicate of held-out documents in these splits that have none yet."""
        hashes = shingle_hashes(document.text)
        sketch = hashes[:SKETCH]
        low, high = (np.searchsorted(self._hashes, sketch, side) for side in ("left", "right"))
        lengths = high - low
        if not lengths.any():
            return
        ends = np.cumsum(lengths)
        places = np.repeat(low - ends + lengths, lengths) + np.arange(ends[-1])  # the ranges [low, high), concatenated
        owners, counts = np.unique(self._owners[places], return_counts=True)
        candidates = owners[counts >= CANDIDATE * np.minimum(self._sizes[owners], len(sketch))]
        for number in candidates.tolist():
            held_out = self.documents[number]
            if number in self.near or held_out.split not in splits:
                continue
            if similarity(hashes, held_out.hashes) >= THRESHOLD:
                self.near[number] = document.name


def compared_share(counts: Mapping[str, int], characters: int, documents: int) -> float:
    """Return the share of a split to compare, for at most about this many characters and documents."""
    return min(1.0, characters / max(counts["characters"], 1), documents / max(counts["documents"], 1))


def near_duplicates_between_splits(
    documents: Callable[[str], Iterable[Document]], counts: Mapping[str, Mapping[str, int]]
) -> dict[str, Any]:
    """Count the validation and test documents that have a near-duplicate in train (test: also in validation).

    Args:
        documents: the documents of a split, by its name.
        counts: {split: {"documents", "characters"}}.

    Returns:
        {"threshold", "rule", "compared": {split: {"documents", "share"}}, "found": {split: {"documents", "share"}},
        "examples": [{"split", "document", "near"}]}, for JSON. The shares of "compared" are of all documents of a
        split, those of "found" of the documents compared.
    """
    shares = {
        split: compared_share(counts[split], TRAIN_CHARACTERS, TRAIN_DOCUMENTS)
        if split == "train"
        else compared_share(counts[split], HELD_OUT_CHARACTERS, HELD_OUT_DOCUMENTS)
        for split in ("train", "validation", "test")
    }
    compared = dict.fromkeys(shares, 0)

    def sample(split: str) -> Iterator[Document]:
        for document in documents(split):
            # sampling by hash depends neither on the order of the documents nor on other documents
            if shares[split] == 1 or fraction(document.text, "near duplicates") < shares[split]:
                compared[split] += 1
                yield document

    held_out = ("validation", "test")
    index = Index(HeldOut(s, d.name, shingle_hashes(d.text)) for s in held_out for d in sample(s))
    sizes = {split: compared[split] for split in held_out}
    for document in sample("train"):
        index.compare(document, held_out)
    for document in sample("validation"):
        index.compare(document, ("test",))
    compared |= sizes  # validation was read twice
    found = {split: sum(index.documents[k].split == split for k in index.near) for split in held_out}
    examples = [
        {"split": index.documents[k].split, "document": index.documents[k].name, "near": near}
        for k, near in sorted(index.near.items())[:EXAMPLES]
    ]
    return {
        "threshold": THRESHOLD,
        "rule": RULE,
        "compared": {split: {"documents": n, "share": shares[split]} for split, n in compared.items()},
        "found": {s: {"documents": n, "share": n / compared[s] if compared[s] else 0.0} for s, n in found.items()},
        "examples": examples,
    }
