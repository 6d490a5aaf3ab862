"""Greedy decoding: the most probable token at each step, given a memory."""

from __future__ import annotations

import numpy as np
import torch

from danlu.batch import Memory, Seq, StreamSpec, causal_order
from danlu.objective import ModelAPI
from danlu.packing import pack
from danlu.tokens.vocabulary import Vocabulary

PLAIN = {"text": StreamSpec()}


@torch.no_grad()
def decode_greedily(model: ModelAPI, memory: Memory, vocabulary: Vocabulary, longest: int) -> list[np.ndarray]:
    """Return, for each sequence of the memory, the generated ids up to the end token (excluded) or `longest`.

    Every step recomputes the whole prefix, so this suits texts of tens of tokens.
    """
    made = np.full((len(memory.stream), longest + 1), vocabulary.bos)
    for k in range(1, longest + 1):
        seqs = [Seq({"token": ids}, causal_order(k)) for ids in made[:, :k]]
        stream = pack([{"text": seqs}], PLAIN)["text"].to(memory.hidden.device)
        if not len(stream):
            break
        logits = model.token_logits(model.decode(stream, memory)[stream.offsets[1:] - 1])
        logits[:, sorted(vocabulary.special - {vocabulary.eos})] = -torch.inf
        made[:, k] = logits.argmax(1).cpu().numpy()
        if (made[:, 1 : k + 1] == vocabulary.eos).any(1).all():
            break
    return [until_end(ids[1:], vocabulary.eos) for ids in made]


def until_end(ids: np.ndarray, eos: int) -> np.ndarray:
    """Return the ids before the first end token."""
    ends = np.flatnonzero(ids == eos)
    return ids[: ends[0]] if len(ends) else ids
