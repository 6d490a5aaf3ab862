"""Each target is predicted once, at its position, by a query that sees exactly the tokens of lower rank."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySamples

from danlu.batch import HIDDEN_KEY
from danlu.objectives.permutation import Permutation
from danlu.packing import pack


@given(st.integers(0, 50), st.sampled_from([0.1, 0.5, 1.0]))
def test_a_target_is_predicted_at_its_position_without_being_visible(n, share):
    objective = Permutation(share=share)
    draw = ToySamples().draw(n)
    pieces = draw.pieces()
    example = objective.example(draw)
    for piece, seq in zip(pieces, example["text"], strict=True):
        length = len(piece)
        is_query = seq.key == HIDDEN_KEY
        assert np.array_equal(seq.inputs["token"][~is_query], piece)
        assert (seq.inputs["token"][is_query] == VOCABULARY.mask).all()
        assert sorted(seq.key[~is_query]) == list(range(length))
        targets = seq.labels["permuted"]
        assert (targets[~is_query] == -1).all()
        assert np.array_equal(targets[is_query], piece[seq.inputs["position"][is_query]])
        assert len(set(seq.inputs["position"][is_query])) == is_query.sum()
        assert VOCABULARY.ordinary(targets[is_query]).all()
        sees = pack([{"text": [seq]}], objective.streams)["text"].attention_mask().numpy()
        for i in np.flatnonzero(is_query):
            own = seq.inputs["position"][i]
            lower = np.flatnonzero(seq.key[:length] < seq.key[own])
            assert np.flatnonzero(sees[i]).tolist() == [*lower, i]


def test_the_last_share_of_the_order_is_predicted():
    rng = np.random.default_rng(0)
    piece = np.full(60, 7)
    seq = Permutation().sequence(piece, rng, VOCABULARY)
    predicted = seq.inputs["position"][60:]
    assert len(predicted) == 10
    assert set(seq.key[predicted]) == set(range(50, 60))
