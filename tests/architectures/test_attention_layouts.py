"""Every fast layout of attention gives the numbers of the dense rule, on any ragged stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ragged_streams import even, heads_of, streams

from danlu.architectures.transformer import cores
from danlu.architectures.transformer import layout as layouts
from danlu.architectures.transformer.layout import Dense, Even, Rows, fill_rows, layout_of
from danlu.batch import Seq, StreamSpec, causal_order, full_order
from danlu.packing import pack


def agree(layout, stream, heads=4, groups=4, window=None):
    given = heads_of(stream, heads, groups)
    torch.testing.assert_close(layout.attend(*given, window), Dense(stream).attend(*given, window), rtol=0, atol=1e-12)


def by_hand(stream, query, key, value):
    """softmax over what is seen, position by position and head by head."""
    sees, out = stream.attention_mask(), torch.empty_like(query)
    per_group = query.shape[1] // key.shape[1]
    for h in range(query.shape[1]):
        g = h // per_group
        scores = query[:, h] @ key[:, g].T / query.shape[2] ** 0.5
        out[:, h] = scores.masked_fill(~sees, float("-inf")).softmax(-1) @ value[:, g]
    return out


@given(streams(), st.sampled_from([(4, 4), (4, 2), (4, 1)]))
def test_the_dense_reference_is_the_rule(stream, counts):
    given = heads_of(stream, *counts)
    torch.testing.assert_close(Dense(stream).attend(*given), by_hand(stream, *given), rtol=0, atol=1e-12)


@given(streams(), st.sampled_from([(4, 4), (4, 2)]), st.none() | st.integers(0, 9), st.booleans())
def test_rows_equal_the_reference(stream, counts, window, short):
    """By either kernel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        agree(Rows(stream), stream, *counts, window)


@given(streams(), st.integers(0, 9))
def test_a_window_is_the_rule_and_a_distance(stream, window):
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
        agree(Rows(stream), stream)


@given(streams())
def test_the_chosen_layout_equals_the_reference(stream):
    agree(layout_of(stream), stream)


@given(even, st.booleans(), st.sampled_from([(4, 4), (4, 2)]), st.booleans())
def test_even_lengths_are_a_reshape(sizes, causal, counts, short):
    order = causal_order if causal else full_order
    seqs = [Seq({"token": np.zeros(n, np.int64)}, order(n)) for n in sizes]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cores, "MAX_PLAIN_LENGTH", 512 if short else 0)
        layout = layout_of(stream)
        assert isinstance(layout, Even)
        agree(layout, stream, *counts)


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
def test_rows_hold_every_sequence_once_and_no_more_than_fits(sizes, capacity):
    rows = fill_rows(tuple(sizes), capacity)
    assert sorted(s for row in rows for s in row) == list(range(len(sizes)))
    assert all(sum(sizes[s] for s in row) <= max(capacity, *sizes) for row in rows)
    held = [sum(sizes[s] for s in row) for row in rows]
    assert len(rows) < 2 or sorted(held)[0] + sorted(held)[1] > max(capacity, max(sizes))


ALMOST_EVEN = {
    "causal keys asked by all": (causal_order(4), np.full(4, 3)),
    "causal keys asked one early": (causal_order(4), causal_order(4) - 1),
    "full keys asked by none": (full_order(4), np.full(4, -1)),
    "full keys asked by some": (full_order(4), np.array([0, 0, -1, 0])),
    "one key apart": (np.array([0, 0, 0, 1]), full_order(4)),
}


@pytest.mark.parametrize(("key", "query"), ALMOST_EVEN.values(), ids=ALMOST_EVEN)
def test_windows_that_are_almost_causal_or_full_are_not_taken_for_it(key, query):
    seqs = [Seq({"token": np.zeros(4, np.int64)}, key, query) for _ in range(3)]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    agree(layout_of(stream), stream)
