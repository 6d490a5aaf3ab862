"""Hypothesis strategies for ragged streams in every attention order, and random attention heads."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st

from danlu.batch import HIDDEN_KEY, Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack

lengths = st.lists(st.integers(1, 9), min_size=1, max_size=8)
even = st.tuples(st.integers(1, 7), st.integers(1, 5)).map(lambda x: [x[0]] * x[1])


@st.composite
def orders(draw, length):
    """Draw the (key, query) of one sequence in any attention order."""
    kind = draw(st.sampled_from(["causal", "full", "prefix", "permutation", "queries", "free"]))
    if kind == "causal":
        return causal_order(length), None
    if kind == "full":
        return full_order(length), None
    if kind == "prefix":
        return np.maximum(np.arange(length) - draw(st.integers(0, length)), 0), None
    if kind == "permutation":
        return np.array(draw(st.permutations(range(length)))), None
    if kind == "queries":
        hidden = np.array(draw(st.lists(st.booleans(), min_size=length, max_size=length)))
        return np.where(hidden, HIDDEN_KEY, np.arange(length)), np.arange(length)
    numbers = st.lists(st.integers(-3, 3), min_size=length, max_size=length)
    return np.array(draw(numbers)), np.array(draw(numbers))


@st.composite
def streams(draw, sizes=lengths | even):
    found = draw(sizes)
    one = draw(st.booleans())
    shared = draw(orders(found[0])) if one else None
    seqs = []
    for length in found:
        key, query = shared if shared is not None and length == found[0] else draw(orders(length))
        seqs.append(Seq({"token": np.zeros(length, np.int64)}, key, query))
    return pack([{"text": [s]} for s in seqs], {"text": StreamSpec()})["text"]


def heads_of(stream, heads=4, kv_heads=4, width=6, seed=0):
    rng = torch.Generator().manual_seed(seed)
    shapes = ((len(stream.key), h, width) for h in (heads, kv_heads, kv_heads))
    return [torch.randn(s, generator=rng, dtype=torch.float64) for s in shapes]
