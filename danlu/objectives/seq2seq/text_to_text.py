"""What objectives that read one text and write another share: pairs of sequences, their loss, how text is parted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from danlu.batch import Batch, Memory, Seq, causal_order, full_order
from danlu.objective import ModelAPI
from danlu.tokens.vocabulary import Vocabulary


def without_ends(piece: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """A piece of a document without the beginning and end of the document, where it has them."""
    start = int(len(piece) > 0 and piece[0] == vocabulary.bos)
    stop = len(piece) - int(len(piece) > start and piece[-1] == vocabulary.eos)
    return piece[start:stop]


def pair(source: np.ndarray, first: int, target: np.ndarray, label: str) -> tuple[Seq, Seq]:
    """What the backbone reads [S], and what the decoder writes [T] and reads one step later, behind `first`."""
    shifted = np.concatenate([[first], target[:-1]])
    return Seq({"token": source}, full_order(len(source))), Seq(
        {"token": shifted}, causal_order(len(target)), labels={label: target}
    )


def written_hidden(model: ModelAPI, batch: Batch) -> Tensor:
    """[T, width] of the decoder over what is to be written, beside what the backbone makes of what is read."""
    source = batch["source"]
    return model.decode(batch["target"], Memory(model.hidden(source), source))


def token_accuracy(model: ModelAPI, batches: Iterable[Batch], label: str) -> dict[str, Any]:
    """The share of targets that are the likeliest token, given the true ones before them; as a judgement."""
    right = total = 0
    for batch in batches:
        labels = batch["target"].labels[label]
        found = model.token_logits(written_hidden(model, batch)).argmax(-1)
        right, total = right + int((found == labels).sum()), total + len(labels)
    return {"figures": {"token_accuracy": right / total}} if total else {}


def rounded(amount: float, rng: np.random.Generator) -> int:
    """One of the two integers beside `amount`, which is the mean."""
    return int(amount) + int(rng.random() < amount % 1)


def composition(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """[parts] positive integers that add up to `total`, each such list as likely."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


def parted(ids: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """`ids` cut into 2k + 1 runs, of which numbers 1, 3, ... are spans of the k `lengths`; between two spans stands at
    least one token, each such arrangement as likely. There must be k - 1 tokens or more outside of the spans."""
    spans = len(lengths)
    gaps = composition(len(ids) - int(lengths.sum()) + 2, spans + 1, rng)
    gaps[[0, -1]] -= 1  # the ends may be empty
    runs = np.zeros(2 * spans + 1, np.int64)
    runs[0::2], runs[1::2] = gaps, lengths
    return np.split(ids, np.cumsum(runs)[:-1])


def joined(parts: Sequence[np.ndarray], between: Sequence[np.ndarray]) -> np.ndarray:
    """parts[0], between[0], parts[1], ...: one array; there is one part more than what stands between them."""
    alternating = [x for both in zip(parts, [*between, np.zeros(0, np.int64)], strict=True) for x in both]
    return np.concatenate(alternating).astype(np.int64)
