"""Greedy decoding from a memory: the most probable token at each step."""

from __future__ import annotations

import numpy as np
import torch

from danlu.batch import Memory, Seq, StreamSpec, causal_order
from danlu.objective import ModelAPI
from danlu.packing import pack
from danlu.tokens.vocabulary import Vocabulary

TEXT_STREAM = {"text": StreamSpec()}


@torch.no_grad()
def decode_greedily(model: ModelAPI, memory: Memory, vocabulary: Vocabulary, longest: int) -> list[np.ndarray]:
    """Return the generated ids for each sequence of the memory: those before the end token, at most `longest`.

    Every step recomputes the whole prefix, which is fast enough for texts of tens of tokens.
    """
    generated = np.full((len(memory.stream), longest + 1), vocabulary.bos)
    for k in range(1, longest + 1):
        seqs = [Seq({"token": ids}, causal_order(k)) for ids in generated[:, :k]]
        stream = pack([{"text": seqs}], TEXT_STREAM)["text"].to(memory.hidden.device)
        if not len(stream):
            break
        logits = model.token_logits(model.decode(stream, memory)[stream.offsets[1:] - 1])
        logits[:, sorted(vocabulary.special - {vocabulary.eos})] = -torch.inf
        generated[:, k] = logits.argmax(1).cpu().numpy()
        if (generated[:, 1 : k + 1] == vocabulary.eos).any(1).all():
            break
    return [cut_at_end(ids[1:], vocabulary.eos) for ids in generated]


def cut_at_end(ids: np.ndarray, eos: int) -> np.ndarray:
    """Return the ids before the first end token."""
    ends = np.flatnonzero(ids == eos)
    return ids[: ends[0]] if len(ends) else ids
