"""Unigram baselines: models of token frequencies."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def target_counts(documents: Iterable[np.ndarray], vocabulary_size: int) -> np.ndarray:
    """Count how often each token is a target, [vocabulary_size].

    A document is `[bos] + ids + [eos]`; its targets are all tokens after the first.

    Raises:
        ValueError: for ids outside the vocabulary, such as those of another tokenizer.
    """
    counts = np.zeros(vocabulary_size, np.int64)
    for document in documents:
        targets = np.asarray(document)[1:].astype(np.int64)
        if len(targets) and not 0 <= targets.min() <= targets.max() < vocabulary_size:
            raise ValueError(
                f"token ids {targets.min()} .. {targets.max()} do not fit a vocabulary of {vocabulary_size}"
            )
        counts += np.bincount(targets, minlength=vocabulary_size)
    return counts


def adaptive_unigram_nats(test: Iterable[np.ndarray], vocabulary_size: int) -> float:
    """Return the cross-entropy in nats of the test targets under add-one counts of the targets before each of them.

    The model is updated after each target, so it needs no training text. The product of (count + 1) / (seen + V) over
    all targets has a closed form in gamma functions that does not depend on their order.
    """
    counts = target_counts(test, vocabulary_size)
    seen = int(counts.sum())
    repeated = sum(math.lgamma(int(n) + 1) for n in counts if n)
    return math.lgamma(seen + vocabulary_size) - math.lgamma(vocabulary_size) - repeated


def unigram_nats(train: Iterable[np.ndarray], test: Iterable[np.ndarray], vocabulary_size: int) -> tuple[float, int]:
    """Return the cross-entropy in nats of the test targets under p(w) = (count(w) + 1) / (targets + V) and their count.

    Add-one smoothing (Laplace) is sufficient: with tens of training tokens per vocabulary entry, and entries chosen for
    their frequency, Good-Turing or a tuned constant changes the total by less than one part in a thousand.
    """
    seen = target_counts(train, vocabulary_size)
    counts = target_counts(test, vocabulary_size)
    log_probability = np.log(seen + 1.0) - np.log(seen.sum() + float(vocabulary_size))
    return float(-(counts * log_probability).sum()), int(counts.sum())
