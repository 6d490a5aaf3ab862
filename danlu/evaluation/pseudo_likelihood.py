"""How well a model that fills blanks foretells each token of a text from both its sides.

Pseudo-log-likelihood (Salazar et al. 2020) hides one token at a time. Here one in `every` is hidden at a time and each
token once, in `every` passes: the same with `every` the length of the text, and cheap enough for a whole text with
about the share of hidden tokens the model has learnt with. It is no likelihood, for the sides of a token overlap with
those of its neighbours: it compares models that fill blanks, with the same tokenizer, and not with others.
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
    """Windows over one document, `every` of each, that together hide every ordinary token exactly once."""
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
    """Of every document of a split, by a model whose objective fills blanks (`FillsBlanks`)."""
    if every < 2:
        raise ValueError(f"one token in {every} hidden leaves nothing to tell by")
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
    """(document, window) pairs, about `batch_tokens` positions at a time."""
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
