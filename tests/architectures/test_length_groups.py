"""Padded passes over ragged sequences equal torch's passes over packed sequences."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recurrent_and_convolutional import stream_of
from torch import nn

from danlu.architectures.length_groups import MAX_PADDED_RATIO, CellRunner, group_by_length
from danlu.architectures.packed_steps import packed_order, run_packed

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=12)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
@settings(max_examples=15, deadline=None)
@given(lengths=LENGTHS)
def test_outputs_and_gradients_equal_torch(cell, both, lengths):
    torch.manual_seed(0)
    cells = cell(6, 4, 2, bidirectional=both).double()
    stream = stream_of(lengths, "full" if both else "causal")
    x = torch.randn(sum(lengths), 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(sum(lengths), 8 if both else 4, dtype=torch.float64)
    leaves = [x, *cells.parameters()]
    ours, theirs = CellRunner(stream)(cells, x), run_packed(cells, x, packed_order(stream), None)[0]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-10)
    for found, expected in zip(
        torch.autograd.grad((ours * weight).sum(), leaves),
        torch.autograd.grad((theirs * weight).sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("cell", [nn.RNN, nn.LSTM, nn.GRU])
def test_each_sequence_starts_from_its_own_state(cell):
    torch.manual_seed(0)
    cells, lengths = cell(6, 4, 2).double(), [2, 9, 3, 9]
    stream, x = stream_of(lengths, "causal"), torch.randn(23, 6, dtype=torch.float64)
    initial = tuple(torch.randn(2, 4, 4, dtype=torch.float64) for _ in range(2))
    state = initial if cell is nn.LSTM else initial[0]
    expected, _ = run_packed(cells, x, packed_order(stream), state)
    torch.testing.assert_close(CellRunner(stream)(cells, x, state), expected, rtol=0, atol=1e-12)


def test_dropout_applies_between_layers_in_training_only():
    torch.manual_seed(0)
    cells = nn.LSTM(6, 4, 2, bidirectional=True, dropout=1.0)
    stream, x = stream_of([3, 5], "full"), torch.randn(8, 6)
    torch.testing.assert_close(CellRunner(stream)(cells, x), CellRunner(stream)(cells, torch.randn(8, 6)))
    cells.eval()
    assert not torch.equal(CellRunner(stream)(cells, x), CellRunner(stream)(cells, torch.randn(8, 6)))


@given(lengths=LENGTHS)
def test_groups_hold_every_sequence_once_with_little_padding(lengths):
    groups = group_by_length(lengths)
    assert sorted(k for group in groups for k in group) == list(range(len(lengths)))
    for group in groups:
        own = [lengths[k] for k in group]
        assert max(own) * len(own) <= MAX_PADDED_RATIO * sum(own)
    assert sum(max(lengths[k] for k in group) for group in groups) <= 2 * max(lengths)
