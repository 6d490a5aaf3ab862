"""Each target is asked once, where it stands, by a position that sees exactly the tokens of lower rank."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySamples

from danlu.batch import HIDDEN_KEY
from danlu.objectives.permutation import Permutation
from danlu.packing import pack


@given(st.integers(0, 50), st.sampled_from([0.1, 0.5, 1.0]))
def test_a_target_is_asked_where_it_stands_and_not_shown(n, share):
    objective = Permutation(share=share)
    draw = ToySamples().draw(n)
    pieces = draw.pieces()
    example = objective.example(draw)
    for piece, seq in zip(pieces, example["text"], strict=True):
        length = len(piece)
        asking = seq.key == HIDDEN_KEY
        assert np.array_equal(seq.inputs["token"][~asking], piece)
        assert (seq.inputs["token"][asking] == VOCABULARY.mask).all()
        assert sorted(seq.key[~asking]) == list(range(length))
        targets = seq.labels["permuted"]
        assert (targets[~asking] == -1).all()
        assert np.array_equal(targets[asking], piece[seq.inputs["position"][asking]])
        assert len(set(seq.inputs["position"][asking])) == asking.sum()
        assert VOCABULARY.ordinary(targets[asking]).all()
        sees = pack([{"text": [seq]}], objective.streams)["text"].attention_mask().numpy()
        for i in np.flatnonzero(asking):
            own = seq.inputs["position"][i]
            lower = np.flatnonzero(seq.key[:length] < seq.key[own])
            assert np.flatnonzero(sees[i]).tolist() == [*lower, i]


def test_the_last_share_of_the_order_is_asked():
    rng = np.random.default_rng(0)
    piece = np.full(60, 7)
    seq = Permutation().sequence(piece, rng, VOCABULARY)
    asked = seq.inputs["position"][60:]
    assert len(asked) == 10
    assert set(seq.key[asked]) == set(range(50, 60))
