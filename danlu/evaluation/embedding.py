"""One vector for a text: the mean, the first or the last of its hidden states."""

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
    """[T, width] -> [N, width]."""
    return stream.mean(hidden)


def first(hidden: Tensor, stream: Stream) -> Tensor:
    """The first position of each sequence, BERT's [CLS]: [T, width] -> [N, width]."""
    return hidden[stream.offsets[:-1]]


def last(hidden: Tensor, stream: Stream) -> Tensor:
    """The last position of each sequence: [T, width] -> [N, width]."""
    return hidden[stream.offsets[1:] - 1]


POOLINGS: dict[str, Callable[[Tensor, Stream], Tensor]] = {"mean": mean, "first": first, "last": last}


def batches(lengths: Sequence[int], limit: int) -> list[list[int]]:
    """Numbers of texts by rising length, as many together as fit in `limit` tokens (at least one)."""
    found: list[list[int]] = []
    size = limit + 1
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if size + lengths[i] > limit:
            found.append([])
            size = 0
        found[-1].append(i)
        size += lengths[i]
    return found


@torch.no_grad()
def embed(model: Any, texts: Sequence[np.ndarray], order: str, pooling: str, normalize: bool) -> np.ndarray:
    """[n, width] float32 of n sequences of ids, none of them empty; `order`: a key of `ATTENTION_ORDERS`."""
    vectors: list[np.ndarray] = []
    places: list[int] = []
    for numbers in batches([len(ids) for ids in texts], BATCH_TOKENS):
        seqs = [Seq({"token": texts[i]}, *ATTENTION_ORDERS[order](len(texts[i]))) for i in numbers]
        stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"].to(model.device)
        pooled = POOLINGS[pooling](states(model, stream), stream).float()
        made = (F.normalize(pooled, dim=1) if normalize else pooled).cpu().numpy()
        vectors += list(made)
        places += numbers
    return np.stack(vectors)[np.argsort(places)] if vectors else np.zeros((0, model.width), np.float32)


def states(model: Any, stream: Stream) -> Tensor:
    """What a model has read at each position, [T, width]: its backbone's hidden states, or what its objective says."""
    return model.objective.text_states(model, model.head, stream)
