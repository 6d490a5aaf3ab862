"""Likelihood of held-out text: nats per document, bits per byte, perplexity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from danlu.batch import Seq, StreamSpec, causal_order
from danlu.objective import ModelAPI
from danlu.packing import pack
from danlu.tokens.shards import TokenStore
from danlu.training.precision import Machine

NEXT_TOKEN_STREAM = {"text": StreamSpec(labels={"next": np.int64})}


@dataclass(frozen=True)
class Likelihood:
    """The likelihood of each document, including its end."""

    nats: np.ndarray  # [documents], summed over targets
    targets: np.ndarray  # [documents], number of scored tokens
    bytes: np.ndarray  # [documents]

    @property
    def bits_per_byte(self) -> float:
        """Bits per byte of all documents together."""
        return float(self.nats.sum() / math.log(2) / self.bytes.sum())

    @property
    def loss(self) -> float:
        """Mean loss in nats per target."""
        return float(self.nats.sum() / self.targets.sum())

    @property
    def perplexity(self) -> float:
        """Perplexity per token, including the ends of documents."""
        return math.exp(self.loss)


def scored_windows(ids: np.ndarray, context: int, stride: int) -> Iterator[Seq]:
    """Yield windows over one document that together score every token after the first exactly once.

    Each window has up to `context` positions. All but the first score only their last `stride` positions, so that a
    token is predicted from at least context - stride tokens where the document has them.
    """
    inputs, targets = ids[:-1], ids[1:]
    scored, start = 0, 0
    while scored < len(targets):
        stop = min(start + context, len(targets))
        labels = np.full(stop - start, -1, np.int64)
        labels[scored - start :] = targets[scored:stop]
        yield Seq({"token": inputs[start:stop]}, causal_order(stop - start), labels={"next": labels})
        scored = stop
        start = max(start, min(stop + stride, len(targets)) - context)


@torch.no_grad()
def likelihood(
    model: ModelAPI, store: TokenStore, context: int, stride: int, machine: Machine, batch_tokens: int = 8192
) -> Likelihood:
    """Score every document of a split with a causal model. Batching affects the result only by rounding.

    Args:
        context: maximum positions per window.
        stride: positions scored per window after the first.
    """
    if not 0 < stride <= context:
        raise ValueError(f"stride {stride} is not between 1 and the context {context}")
    nats = np.zeros(store.documents)
    targets = np.zeros(store.documents, np.int64)
    for batch in window_batches(store, context, stride, batch_tokens):
        stream = pack([{"text": [seq]} for _, seq in batch], NEXT_TOKEN_STREAM)["text"].to(torch.device(machine.device))
        with machine.autocast():
            logits = model.token_logits(model.hidden(stream))
        labels = stream.labels["next"]
        losses = F.cross_entropy(logits.float(), labels, reduction="none", ignore_index=-1)
        document = np.array([d for d, _ in batch])[stream.sequence.cpu().numpy()]
        np.add.at(nats, document, losses.cpu().double().numpy())
        np.add.at(targets, document, (labels >= 0).cpu().numpy())
    sizes = np.array([store.document_bytes(i) for i in range(store.documents)])
    return Likelihood(nats, targets, sizes)


def window_batches(
    store: TokenStore, context: int, stride: int, batch_tokens: int
) -> Iterator[Sequence[tuple[int, Seq]]]:
    """Yield (document, window) pairs, about `batch_tokens` positions at a time."""
    batch: list[tuple[int, Seq]] = []
    size = 0
    for i in range(store.documents):
        for seq in scored_windows(store.document(i), context, stride):
            batch.append((i, seq))
            size += len(seq.key)
            if size >= batch_tokens:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch
