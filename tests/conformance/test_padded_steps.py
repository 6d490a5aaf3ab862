"""Padding that brings batches to few shapes for compiled steps changes no loss, count or gradient."""

from __future__ import annotations

import pytest
import torch
from pairs import MACHINE

from danlu.packing import pack
from danlu.training.step import accumulate, measure, positions


def padded(pair, parts, capacity):
    return [pack(part, pair.objective.streams, range(len(part)), capacity) for part in parts]


def gradients(pair, batches):
    model = pair.network()
    losses = accumulate(model, pair.objective, batches, MACHINE, seed=0)
    return {name: p.grad for name, p in model.named_parameters()}, losses


@pytest.mark.parametrize("capacity", [13, 64])
def test_padding_changes_no_loss_count_or_gradient(pair, capacity):
    some = pair.examples(10)
    parts = [some[:6], [], some[6:]]
    plain, one = gradients(pair, padded(pair, parts, None))
    batches = padded(pair, parts, capacity)
    found, other = gradients(pair, batches)
    assert other.counts == one.counts
    assert abs(other.loss - one.loss) <= 1e-10 * abs(one.loss)
    largest = max(g.norm() for g in plain.values())
    for name, gradient in plain.items():
        difference = (found[name] - gradient).norm() / gradient.norm().clamp(min=1e-4 * largest)
        assert difference <= 1e-10, f"{name}: {difference:.1e}"
    judged = [measure(pair.network(), pair.objective, padded(pair, parts, c), MACHINE) for c in (None, capacity)]
    assert judged[1].loss == pytest.approx(judged[0].loss, rel=1e-10)
    assert any(
        len(s.key) != n for b, p in zip(batches, parts, strict=True) for s, n in lengths_without_padding(pair, b, p)
    )


def lengths_without_padding(pair, batch, part):
    """Each stream of a padded batch, with its length without padding."""
    unfilled = pair.pack(part)
    return [(stream, len(unfilled[name].key)) for name, stream in batch.streams.items()]


def test_padding_is_not_counted_and_fills_whole_capacities(pair):
    some = pair.examples(10)
    plain, batches = padded(pair, [some], None), padded(pair, [some], 64)
    assert positions(batches) == positions(plain)
    for name, stream in batches[0].streams.items():
        assert len(stream.key) % 64 == 0
        assert (len(stream.key) == 0) == (len(plain[0][name].key) == 0)
        assert max(stream.lengths, default=0) == max(plain[0][name].lengths, default=0)


def test_padding_neither_sees_nor_is_seen_by_real_positions(pair):
    for name, stream in padded(pair, [pair.examples(5)], 64)[0].streams.items():
        real = stream.group[stream.sequence] < 5
        assert not stream.attention_mask()[real][:, ~real].any(), name
        assert not stream.attention_mask()[~real][:, real].any(), name
        assert torch.equal(stream.key[real], pair.pack(pair.examples(5))[name].key)
