"""A step gives the same result whole or in micro-batches, including an empty one, and gives every parameter a
gradient."""

from __future__ import annotations

import torch
from pairs import MACHINE

from danlu.training.step import accumulate

pass


def gradients(pair, parts):
    model = pair.network()
    batches = [pair.pack(part) for part in parts]
    losses = accumulate(model, pair.objective, batches, MACHINE, seed=0)
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert not missing
    return {name: p.grad for name, p in model.named_parameters()}, losses


def test_gradients_do_not_depend_on_how_a_step_is_split(pair):
    some = pair.examples(12)
    whole, one = gradients(pair, [some])
    largest = max(g.norm() for g in whole.values())
    assert largest > 0
    for parts in ([some[:5], [], some[5:6], some[6:]], [[e] for e in some], [[], some]):
        split, other = gradients(pair, parts)
        assert other.counts == one.counts
        for name, gradient in whole.items():
            # the gradient of a key bias without rotary positions is only rounding error
            difference = (split[name] - gradient).norm() / gradient.norm().clamp(min=1e-4 * largest)
            assert difference <= 1e-10, f"{name}: {difference:.1e}"
        assert abs(other.loss - one.loss) <= 1e-10 * abs(one.loss)


def test_every_parameter_gets_a_finite_gradient(pair):
    for parts in ([pair.examples(6)], [[]], [[], pair.examples(1)]):
        found, _ = gradients(pair, parts)
        assert all(torch.isfinite(g).all() for g in found.values())


VOCABULARY_HEAD = ("unembedding.weight", "output_map.weight", "output_bias")


def test_a_vocabulary_head_exists_only_where_it_is_used(pair):
    found, _ = gradients(pair, [pair.examples(12)])
    idle = [name for name in VOCABULARY_HEAD if name in found and not found[name].any()]
    assert not idle


def test_an_empty_step_has_no_gradient_and_no_loss(pair):
    found, losses = gradients(pair, [[]])
    assert all(not g.any() for g in found.values())
    assert losses.terms == {}
    assert losses.loss == 0


def test_the_loss_is_the_weighted_mean_of_each_term(pair):
    some = pair.examples(6)
    _, losses = gradients(pair, [some[:2], some[2:]])
    model = pair.network()
    with torch.no_grad():
        sums = model(pair.pack(some))
    expected = sum(
        pair.objective.term_weights(1.0).get(term, 1.0) * float(sums[term]) / n
        for term, n in losses.counts.items()
        if n
    )
    assert abs(losses.loss - expected) <= 1e-10 * abs(expected)
