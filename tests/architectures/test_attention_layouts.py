"""Every fast attention layout equals the dense reference on any ragged stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ragged_streams import even, heads_of, streams

from danlu.architectures.transformer import cores
from danlu.architectures.transformer import layout as layouts
from danlu.architectures.transformer.layout import Dense, EqualLengths, Rows, fill_rows, layout_of
from danlu.batch import Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack


def assert_equals_dense(layout, stream, heads=4, kv_heads=4, window=None):
    given = heads_of(stream, heads, kv_heads)
    torch.testing.assert_close(layout.attend(*given, window), Dense(stream).attend(*given, window), rtol=0, atol=1e-12)


def by_hand(stream, query, key, value):
    """Compute the softmax over the visible positions, one head at a time."""
    sees, out = stream.attention_mask(), torch.empty_like(query)
    heads_per_kv_head = query.shape[1] // key.shape[1]
    for h in range(query.shape[1]):
        g = h // heads_per_kv_head
        scores = query[:, h] @ key[:, g].T / query.shape[2] ** 0.5
        out[:, h] = scores.masked_fill(~sees, float("-inf")).softmax(-1) @ value[:, g]
    return out


@given(streams(), st.sampled_from([(4, 4), (4, 2), (4, 1)]))
def test_dense_reference_equals_attention_by_hand(stream, counts):
    given = heads_of(stream, *counts)
    torch.testing.assert_close(Dense(stream).attend(*given), by_hand(stream, *given), rtol=0, atol=1e-12)


@given(streams(), st.sampled_from([(4, 4), (4, 2)]), st.none() | st.integers(0, 9), st.booleans())
def test_rows_equal_the_reference(stream, counts, window, short):
    """With either kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        assert_equals_dense(Rows(stream), stream, *counts, window)


@given(streams(), st.integers(0, 9))
def test_a_window_hides_positions_beyond_its_distance(stream, window):
    query, key, value = heads_of(stream)
    position = stream.inputs["position"]
    far = (position[:, None] - position).abs() > window
    scores = torch.einsum("ihd,jhd->hij", query, key) / query.shape[2] ** 0.5
    expected = scores.masked_fill(far | ~stream.attention_mask(), float("-inf")).softmax(-1) @ value.transpose(0, 1)
    torch.testing.assert_close(
        layout_of(stream, (None, window)).attend(query, key, value, window),
        expected.transpose(0, 1),
        rtol=0,
        atol=1e-12,
    )


@given(streams(), st.integers(1, 12))
def test_rows_of_any_length_equal_the_reference(stream, row):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layouts, "ROW", row)
        assert_equals_dense(Rows(stream), stream)


@given(streams())
def test_the_chosen_layout_equals_the_reference(stream):
    assert_equals_dense(layout_of(stream), stream)


@given(even, st.booleans(), st.sampled_from([(4, 4), (4, 2)]), st.booleans())
def test_equal_lengths_use_the_even_layout(sizes, causal, counts, short):
    order = causal_order if causal else full_order
    seqs = [Seq({"token": np.zeros(n, np.int64)}, order(n)) for n in sizes]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        layout = layout_of(stream)
        assert isinstance(layout, EqualLengths)
        assert_equals_dense(layout, stream, *counts)


@given(streams())
def test_gradients_equal_those_of_the_reference(stream):
    both = []
    for layout in (layout_of(stream), Dense(stream)):
        leaves = [x.requires_grad_() for x in heads_of(stream)]
        (layout.attend(*leaves) * torch.arange(6, dtype=torch.float64)).sum().backward()
        both.append([x.grad for x in leaves])
    for fast, reference in zip(*both, strict=True):
        torch.testing.assert_close(fast, reference, rtol=0, atol=1e-11)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30), st.integers(1, 50))
def test_rows_hold_every_sequence_once_within_capacity(sizes, capacity):
    rows = fill_rows(tuple(sizes), capacity)
    assert sorted(s for row in rows for s in row) == list(range(len(sizes)))
    assert all(sum(sizes[s] for s in row) <= max(capacity, *sizes) for row in rows)
    held = [sum(sizes[s] for s in row) for row in rows]
    assert len(rows) < 2 or sorted(held)[0] + sorted(held)[1] > max(capacity, max(sizes))


ALMOST_EVEN = {
    "causal keys, full queries": (causal_order(4), np.full(4, 3)),
    "causal keys, queries shifted by one": (causal_order(4), causal_order(4) - 1),
    "full keys, queries that see nothing": (full_order(4), np.full(4, -1)),
    "full keys, one query that sees nothing": (full_order(4), np.array([0, 0, -1, 0])),
    "full queries, one later key": (np.array([0, 0, 0, 1]), full_order(4)),
}


@pytest.mark.parametrize(("key", "query"), ALMOST_EVEN.values(), ids=ALMOST_EVEN)
def test_almost_causal_or_full_orders_are_not_mistaken_for_them(key, query):
    seqs = [Seq({"token": np.zeros(4, np.int64)}, key, query) for _ in range(3)]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    assert_equals_dense(layout_of(stream), stream)
