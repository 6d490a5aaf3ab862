"""Text embeddings: the mean, first or last hidden state of a text.

Shapes: T positions, N sequences of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from danlu.batch import ATTENTION_ORDERS, Seq, Stream, StreamSpec
from danlu.packing import pack

BATCH_TOKENS = 8192


def mean(hidden: Tensor, stream: Stream) -> Tensor:
    """Average over each sequence: [T, width] -> [N, width]."""
    return stream.mean(hidden)


def first(hidden: Tensor, stream: Stream) -> Tensor:
    """Select the first position of each sequence, BERT's [CLS]: [T, width] -> [N, width]."""
    return hidden[stream.offsets[:-1]]


def last(hidden: Tensor, stream: Stream) -> Tensor:
    """Select the last position of each sequence: [T, width] -> [N, width]."""
    return hidden[stream.offsets[1:] - 1]


POOLINGS: dict[str, Callable[[Tensor, Stream], Tensor]] = {"mean": mean, "first": first, "last": last}


def batch_by_length(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Group texts of similar length into batches of at most `limit` tokens, or of a single longer text.

    Returns:
        The indices of the texts in each batch, by increasing length.
    """
    batches: list[list[int]] = []
    size = limit + 1
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if size + lengths[i] > limit:
            batches.append([])
            size = 0
        batches[-1].append(i)
        size += lengths[i]
    return batches


@torch.no_grad()
def embed(model: Any, texts: Sequence[np.ndarray], order: str, pooling: str, normalize: bool) -> np.ndarray:
    """Embed n non-empty sequences of token ids, [n, width] float32.

    Args:
        order: attention order, a key of `ATTENTION_ORDERS`.
        pooling: a key of `POOLINGS`.
        normalize: scale each vector to length 1.
    """
    vectors: list[np.ndarray] = []
    indices: list[int] = []
    for batch in batch_by_length([len(ids) for ids in texts], BATCH_TOKENS):
        seqs = [Seq({"token": texts[i]}, *ATTENTION_ORDERS[order](len(texts[i]))) for i in batch]
        stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"].to(model.device)
        states = model.objective.text_states(model, model.head, stream)
        pooled = POOLINGS[pooling](states, stream).float()
        pooled = F.normalize(pooled, dim=1) if normalize else pooled
        vectors += list(pooled.cpu().numpy())
        indices += batch
    return np.stack(vectors)[np.argsort(indices)] if vectors else np.zeros((0, model.width), np.float32)
