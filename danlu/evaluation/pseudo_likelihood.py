"""Pseudo-log-likelihood of a masked language model: each token is predicted from the tokens on both sides.

Pseudo-log-likelihood (Salazar et al. 2020) masks one token per forward pass. Here each pass masks every `every`-th
token, so that each token is masked once in `every` passes. This equals the original definition if `every` is the length
of the text; a smaller value, close to the inverse of the masking rate in training, makes long texts affordable. The
result is not a likelihood, because the contexts overlap: compare it only between masked models with the same tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from danlu.batch import Seq, StreamSpec, full_order
from danlu.evaluation.likelihood import Likelihood
from danlu.packing import pack
from danlu.tokens.shards import TokenStore
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.precision import Machine

MASKED_STREAM = {"text": StreamSpec(labels={"hidden": np.int64})}


def masked_windows(ids: np.ndarray, context: int, every: int, vocabulary: Vocabulary) -> Iterator[Seq]:
    """Yield each window of a document `every` times with different masks, each ordinary token masked exactly once."""
    mask = vocabulary.require_mask()
    for start in range(0, len(ids), context):
        window = ids[start : start + context]
        for offset in range(every):
            at = (np.arange(len(window)) % every == offset) & vocabulary.ordinary(window)
            if at.any():
                labels = np.where(at, window, -1)
                yield Seq({"token": np.where(at, mask, window)}, full_order(len(window)), labels={"hidden": labels})


@torch.no_grad()
def pseudo_likelihood(
    model: Any,
    store: TokenStore,
    context: int,
    every: int,
    vocabulary: Vocabulary,
    machine: Machine,
    batch_tokens: int = 8192,
) -> Likelihood:
    """Score every document of a split with a masked language model.

    Args:
        context: maximum positions per window.
        every: distance between masked tokens; each window takes this many passes.
    """
    if every < 2:
        raise ValueError(f"every is {every}, which masks all tokens and leaves no context; set it to at least 2")
    nats = np.zeros(store.documents)
    targets = np.zeros(store.documents, np.int64)
    for batch in window_batches(store, context, every, vocabulary, batch_tokens):
        stream = pack([{"text": [seq]} for _, seq in batch], MASKED_STREAM)["text"].to(torch.device(machine.device))
        labels = stream.labels["hidden"]
        at = labels >= 0
        with machine.autocast():
            logits = model.objective.blank_logits(model, model.head, model.hidden(stream)[at])
        losses = F.cross_entropy(logits.float(), labels[at], reduction="none")
        document = np.array([d for d, _ in batch])[stream.sequence[at].cpu().numpy()]
        np.add.at(nats, document, losses.double().cpu().numpy())
        np.add.at(targets, document, 1)
    sizes = np.array([store.document_bytes(i) for i in range(store.documents)])
    return Likelihood(nats, targets, sizes)


def window_batches(
    store: TokenStore, context: int, every: int, vocabulary: Vocabulary, batch_tokens: int
) -> Iterator[list[tuple[int, Seq]]]:
    """Yield (document, window) pairs, about `batch_tokens` positions at a time."""
    batch: list[tuple[int, Seq]] = []
    size = 0
    for i in range(store.documents):
        for seq in masked_windows(store.document(i), context, every, vocabulary):
            batch.append((i, seq))
            size += len(seq.key)
            if size >= batch_tokens:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
