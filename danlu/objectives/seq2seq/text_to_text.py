"""Helpers of objectives that read one text and generate another: sequence pairs, accuracy, random spans.

Shapes: S positions of a source, T positions of a target.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from danlu.batch import Batch, Memory, Seq, causal_order, full_order
from danlu.objective import ModelAPI
from danlu.tokens.vocabulary import Vocabulary


def inner_tokens(piece: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Return a piece without the beginning and end tokens of its document."""
    start = int(len(piece) > 0 and piece[0] == vocabulary.bos)
    stop = len(piece) - int(len(piece) > start and piece[-1] == vocabulary.eos)
    return piece[start:stop]


def sequence_pair(source: np.ndarray, first: int, target: np.ndarray, label: str) -> tuple[Seq, Seq]:
    """Return the encoder's sequence [S] and the decoder's sequence [T].

    The inputs of the decoder are `first` and the targets shifted by one.
    """
    shifted = np.concatenate([[first], target[:-1]])
    return Seq({"token": source}, full_order(len(source))), Seq(
        {"token": shifted}, causal_order(len(target)), labels={label: target}
    )


def decoder_states(model: ModelAPI, batch: Batch) -> Tensor:
    """Return the decoder's hidden states [T, width] of a batch with the streams `source` and `target`."""
    source = batch["source"]
    return model.decode(batch["target"], Memory(model.hidden(source), source))


def token_accuracy(model: ModelAPI, batches: Iterable[Batch], label: str) -> dict[str, Any]:
    """Measure the accuracy of next-token predictions with teacher forcing."""
    correct = total = 0
    for batch in batches:
        labels = batch["target"].labels[label]
        predicted = model.token_logits(decoder_states(model, batch)).argmax(-1)
        correct, total = correct + int((predicted == labels).sum()), total + len(labels)
    return {"figures": {"token_accuracy": correct / total}} if total else {}


def round_randomly(amount: float, rng: np.random.Generator) -> int:
    """Round up or down at random so that the expected value is `amount`."""
    return int(amount) + int(rng.random() < amount % 1)


def random_composition(total: int, parts: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `parts` positive integers that sum to `total`, uniformly at random."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(np.concatenate([[0], cuts, [total]]))


def split_at_spans(ids: np.ndarray, lengths: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Cut `ids` into 2k + 1 runs at random positions: gaps, which may be empty at the ends, and k spans between them.

    The spans are runs 1, 3, ... and have the given `lengths` [k]. There is at least one token between two spans, so at
    least k - 1 tokens must be outside of the spans.
    """
    spans = len(lengths)
    gaps = random_composition(len(ids) - int(lengths.sum()) + 2, spans + 1, rng)
    gaps[[0, -1]] -= 1  # the ends may be empty
    runs = np.zeros(2 * spans + 1, np.int64)
    runs[0::2], runs[1::2] = gaps, lengths
    return np.split(ids, np.cumsum(runs)[:-1])


def interleave(parts: Sequence[np.ndarray], between: Sequence[np.ndarray]) -> np.ndarray:
    """Concatenate parts[0], between[0], parts[1], ...; `parts` has one array more than `between`."""
    alternating = [x for both in zip(parts, [*between, np.zeros(0, np.int64)], strict=True) for x in both]
    return np.concatenate(alternating).astype(np.int64)
