"""Example n is a function of (seed, n); its targets are counted before the model runs."""

from __future__ import annotations

import numpy as np
import torch
from pairs import targets

pass
pass


def same(a, b):
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind == "f")


def equal(one, other):
    """Whether two examples are equal in every array."""
    if one.keys() != other.keys():
        return False
    for name in one:
        if len(one[name]) != len(other[name]):
            return False
        for a, b in zip(one[name], other[name], strict=True):
            tables = [(a.inputs, b.inputs), (a.labels, b.labels), (a.sequence_labels, b.sequence_labels)]
            if not (same(a.key, b.key) and same(a.query, b.query)):
                return False
            if any(x.keys() != y.keys() or not all(same(x[k], y[k]) for k in x) for x, y in tables):
                return False
    return True


def test_example_n_does_not_depend_on_earlier_draws(pair):
    alone = [pair.examples(1, first=n)[0] for n in (5, 0, 70, 3)]
    np.random.seed(1)
    torch.manual_seed(1)
    in_order = pair.examples(71)
    assert all(equal(a, in_order[n]) for a, n in zip(alone, (5, 0, 70, 3), strict=True))


def test_examples_differ(pair):
    found = pair.examples(8)
    assert sum(equal(a, b) for i, a in enumerate(found) for b in found[:i]) <= 3


def test_target_counts_equal_the_labels(pair):
    some = pair.examples(9)
    expected = {}
    for term in pair.objective.terms:
        scope, _, name = term.rpartition(".")
        streams = [seqs for e in some for s, seqs in e.items() if s.rpartition(".")[0] == scope]
        held = [s.labels.get(name, s.sequence_labels.get(name)) for seqs in streams for s in seqs if len(s.key)]
        expected[term] = sum(targets(value) for value in held if value is not None)
    assert pair.objective.count_targets(pair.pack(some)) == expected
    assert min(expected.values()) > 0


def test_every_term_is_counted_and_computed_in_an_empty_batch(pair):
    empty = pair.pack([])
    assert set(empty.streams) == set(pair.objective.streams)
    assert pair.objective.count_targets(empty) == dict.fromkeys(pair.objective.terms, 0)
    with torch.no_grad():
        losses = pair.network()(empty)
    assert {k: float(v) for k, v in losses.items()} == dict.fromkeys(pair.objective.terms, 0.0)


def test_term_weights_name_declared_terms(pair):
    assert all(set(pair.objective.term_weights(p)) <= set(pair.objective.terms) for p in (0.0, 1.0))
    assert set(pair.objective.needs) >= {"backbone"}
