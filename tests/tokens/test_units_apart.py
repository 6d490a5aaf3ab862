"""Units that share no document, from which next sentences and negatives are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu import durable
from danlu.errors import WrongInput
from danlu.tokens.shards import FACTS, ShardWriter, TokenStore
from danlu.tokens.units import WindowUnits, draw_free
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import WindowSamples


def units_of(folder, lengths, window, shard_bytes=1 << 20):
    """Windows over documents; every token of document d is d."""
    with ShardWriter(folder, "train", np.dtype("<u2"), shard_bytes) as writer:
        for d, n in enumerate(lengths):
            writer.add(np.full(n, d), n)
    durable.write_json(folder / FACTS, {"dtype": "uint16", "splits": {"train": writer.counts}})
    return WindowUnits(TokenStore(folder, "train"), window)


def documents_in(units, i):
    return {int(piece[0]) for piece in units.pieces(i)}


@given(st.lists(st.integers(1, 30), min_size=1, max_size=12), st.integers(1, 9), st.integers(8, 60), st.data())
def test_a_unit_apart_shares_no_document_and_most_such_units_are_drawn(tmp_path_factory, lengths, window, shard, data):
    units = units_of(tmp_path_factory.mktemp("shards"), lengths, window, shard)
    taken = data.draw(st.lists(st.integers(0, len(units) - 1), min_size=1, max_size=3))
    seen = set().union(*(documents_in(units, i) for i in taken))
    apart = {i for i in range(len(units)) if not documents_in(units, i) & seen}
    rng = np.random.default_rng(0)
    if not apart:
        with pytest.raises(WrongInput, match="too few documents"):
            units.draw_apart(taken, rng)
        return
    found = {units.draw_apart(taken, rng) for _ in range(20 * len(units))}
    assert found <= apart
    assert len(found) >= 0.5 * len(apart)


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)).map(sorted).map(tuple), max_size=6), st.integers(1, 20)
)
def test_free_numbers_are_those_outside_the_ranges(ranges, units):
    free = [i for i in range(units) if not any(a <= i < b for a, b in ranges)]
    rng = np.random.default_rng(0)
    inside = [(min(a, units), min(b, units)) for a, b in ranges]
    if not free:
        with pytest.raises(WrongInput):
            draw_free(inside, units, rng)
        return
    assert {draw_free(inside, units, rng) for _ in range(40 * len(free) + 40)} == set(free)


def test_further_units_of_a_sample_share_no_document_and_are_reproducible(tmp_path):
    units = units_of(tmp_path, [5] * 12, 5)
    vocabulary = Vocabulary(size=12, bos=0, eos=0, pad=0, mask=None, special=frozenset())
    draws = WindowSamples(units.store, 5, vocabulary, seed=3)

    def drawn(n):
        draw = draws.draw(n, 0.0)
        return [int(d.pieces()[0][0]) for d in (draw, *(draw.another() for _ in range(11)))]

    assert sorted(drawn(4)) == list(range(12))
    assert drawn(4) == drawn(4) != drawn(5)
    draw = draws.draw(0, 0.0)
    with pytest.raises(WrongInput, match="share no document"):
        [draw.another() for _ in range(12)]
