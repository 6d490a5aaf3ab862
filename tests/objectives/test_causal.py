"""Every step from token to token inside a document is a target exactly once per epoch."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY

from danlu.objectives.causal import Causal
from danlu.training.samples import UnitSample


def windows(documents, length):
    """Yield the pieces of each window, with the following token of the same document, as WindowUnits does."""
    flat = np.concatenate(documents)
    ends = np.cumsum([len(d) for d in documents])
    for start in range(0, len(flat), length):
        stop = min(start + length, len(flat))
        cuts = [start, *[e for e in ends if start < e < stop], stop]
        pieces = []
        for low, high in pairwise(cuts):
            end = next(e for e in ends if e > low)
            pieces.append(flat[low : min(high + 1, end) if high == stop else high])
        yield pieces


@given(st.lists(st.integers(1, 12), min_size=1, max_size=5), st.integers(1, 9))
def test_every_step_is_a_target_once(sizes, length):
    start = np.cumsum([0, *sizes])
    documents = [np.arange(a, b) for a, b in pairwise(start)]
    found = Counter()
    for pieces in windows(documents, length):
        draw = UnitSample(0, 0, 0.0, VOCABULARY, lambda overlap, pieces=pieces: pieces if overlap == 1 else [])
        for seq in Causal().example(draw)["text"]:
            assert len(seq.inputs["token"]) == len(seq.labels["causal"]) == len(seq.key)
            found.update(zip(seq.inputs["token"].tolist(), seq.labels["causal"].tolist(), strict=True))
    assert found == Counter((a, b) for d in documents for a, b in pairwise(d.tolist()))
