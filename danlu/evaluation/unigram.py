"""Unigram baseline: what token frequencies alone are worth."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def target_counts(documents: Iterable[np.ndarray], vocabulary_size: int) -> np.ndarray:
    """[vocabulary_size]: how often each token is a target.

    A document is `[bos] + ids + [eos]`; its targets are all tokens after the first. ValueError for an id outside
    the vocabulary: a document encoded with another tokenizer must not pass unseen.
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
    """Cost of the test targets in nats under add-one counts of the targets before each: what a unigram that starts
    from nothing learns on the way, so that no training text is needed and none is peeked at.

    The product of (count + 1) / (seen + V) over all targets has a closed form in gamma functions, whatever their order.
    """
    counts = target_counts(test, vocabulary_size)
    seen = int(counts.sum())
    kept = sum(math.lgamma(int(n) + 1) for n in counts if n)
    return math.lgamma(seen + vocabulary_size) - math.lgamma(vocabulary_size) - kept


def unigram_nats(train: Iterable[np.ndarray], test: Iterable[np.ndarray], vocabulary_size: int) -> tuple[float, int]:
    """Cost of the test targets in nats, and how many there are, under p(w) = (count(w) + 1) / (targets + V).

    Add-one (Laplace) is enough here: with tens of training tokens to a vocabulary entry, and entries that were chosen
    for being frequent, Good-Turing or a tuned constant moves the total by less than one part in a thousand.
    """
    seen = target_counts(train, vocabulary_size)
    asked = target_counts(test, vocabulary_size)
    log_probability = np.log(seen + 1.0) - np.log(seen.sum() + float(vocabulary_size))
    return float(-(asked * log_probability).sum()), int(asked.sum())
