"""Pseudo-log-likelihood of a model that fills blanks: each token is predicted from both of its sides.

Pseudo-log-likelihood (Salazar et al. 2020) masks one token at a time. Here one in `every` tokens is masked at a time
and each token once, in `every` passes. With `every` equal to the length of the text it is the same; otherwise it is
cheap enough for whole texts, at about the masking rate of training. It is not a likelihood, because the contexts
overlap: it compares masked models with the same tokenizer, and not with other models.
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

HIDDEN = {"text": StreamSpec(labels={"hidden": np.int64})}


def hidden_windows(ids: np.ndarray, context: int, every: int, vocabulary: Vocabulary) -> Iterator[Seq]:
    """Yield windows over one document, each `every` times, that together mask every ordinary token exactly once."""
    mask = vocabulary.require_mask()
    for start in range(0, len(ids), context):
        window = ids[start : start + context]
        for turn in range(every):
            at = (np.arange(len(window)) % every == turn) & vocabulary.ordinary(window)
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
    """Score every document of a split with a model whose objective fills blanks."""
    if every < 2:
        raise ValueError(f"masking one token in {every} leaves no context")
    nats = np.zeros(store.documents)
    targets = np.zeros(store.documents, np.int64)
    for batch in batches(store, context, every, vocabulary, batch_tokens):
        stream = pack([{"text": [seq]} for _, seq in batch], HIDDEN)["text"].to(torch.device(machine.device))
        labels = stream.labels["hidden"]
        at = labels >= 0
        with machine.autocast():
            logits = model.objective.blank_logits(model, model.head, model.hidden(stream)[at])
        each = F.cross_entropy(logits.float(), labels[at], reduction="none")
        document = np.array([d for d, _ in batch])[stream.sequence[at].cpu().numpy()]
        np.add.at(nats, document, each.double().cpu().numpy())
        np.add.at(targets, document, 1)
    sizes = np.array([store.document_bytes(i) for i in range(store.documents)])
    return Likelihood(nats, targets, sizes)


def batches(
    store: TokenStore, context: int, every: int, vocabulary: Vocabulary, batch_tokens: int
) -> Iterator[list[tuple[int, Seq]]]:
    """Yield (document, window) pairs, about `batch_tokens` positions at a time."""
    batch: list[tuple[int, Seq]] = []
    size = 0
    for i in range(store.documents):
        for seq in hidden_windows(store.document(i), context, every, vocabulary):
            batch.append((i, seq))
            size += len(seq.key)
            if size >= batch_tokens:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
