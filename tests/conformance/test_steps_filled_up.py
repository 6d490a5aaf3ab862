"""What a batch is filled up with, so that compiled steps meet few shapes, changes no loss, no count and no gradient."""

from __future__ import annotations

import pytest
import torch
from pairs import MACHINE

from danlu.packing import pack
from danlu.training.step import accumulate, measure, positions


def filled(pair, parts, capacity):
    return [pack(part, pair.objective.streams, range(len(part)), capacity) for part in parts]


def gradients(pair, batches):
    model = pair.network()
    losses = accumulate(model, pair.objective, batches, MACHINE, seed=0)
    return {name: p.grad for name, p in model.named_parameters()}, losses


@pytest.mark.parametrize("capacity", [13, 64])
def test_a_filled_step_is_the_step(pair, capacity):
    some = pair.examples(10)
    parts = [some[:6], [], some[6:]]
    plain, one = gradients(pair, filled(pair, parts, None))
    batches = filled(pair, parts, capacity)
    found, other = gradients(pair, batches)
    assert other.counts == one.counts
    assert abs(other.loss - one.loss) <= 1e-10 * abs(one.loss)
    largest = max(g.norm() for g in plain.values())
    for name, gradient in plain.items():
        difference = (found[name] - gradient).norm() / gradient.norm().clamp(min=1e-4 * largest)
        assert difference <= 1e-10, f"{name}: {difference:.1e}"
    judged = [measure(pair.network(), pair.objective, filled(pair, parts, c), MACHINE) for c in (None, capacity)]
    assert judged[1].loss == pytest.approx(judged[0].loss, rel=1e-10)
    assert any(len(s.key) != n for b, p in zip(batches, parts, strict=True) for s, n in lengths(pair, b, p))


def lengths(pair, batch, part):
    """Each stream of a filled batch, and how long it is unfilled."""
    unfilled = pair.pack(part)
    return [(stream, len(unfilled[name].key)) for name, stream in batch.streams.items()]


def test_only_real_positions_are_counted_and_every_stream_has_whole_capacities(pair):
    some = pair.examples(10)
    plain, batches = filled(pair, [some], None), filled(pair, [some], 64)
    assert positions(batches) == positions(plain)
    for name, stream in batches[0].streams.items():
        assert len(stream.key) % 64 == 0
        assert (len(stream.key) == 0) == (len(plain[0][name].key) == 0)
        assert max(stream.lengths, default=0) == max(plain[0][name].lengths, default=0)


def test_what_fills_up_sees_and_is_seen_by_nothing_real(pair):
    for name, stream in filled(pair, [pair.examples(5)], 64)[0].streams.items():
        real = stream.group[stream.sequence] < 5
        assert not stream.attention_mask()[real][:, ~real].any(), name
        assert not stream.attention_mask()[~real][:, real].any(), name
        assert torch.equal(stream.key[real], pair.pack(pair.examples(5))[name].key)
