"""Packing changes no loss, examples do not influence one another, and positions see only what their order allows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pairs import silent

from danlu.batch import Memory, Seq, StreamSpec
from danlu.packing import pack


def term_sums(pair, model, some):
    with torch.no_grad():
        return {k: float(v) for k, v in model(pair.pack(some)).items()}


def test_packed_losses_equal_those_of_single_examples(pair):
    model, some = pair.network(), pair.examples(8)
    whole = term_sums(pair, model, some)
    singles = [term_sums(pair, model, [example]) for example in some]
    for term, value in whole.items():
        assert value == pytest.approx(sum(s[term] for s in singles), rel=1e-9)
        assert value != 0


def test_the_order_of_examples_does_not_matter(pair):
    model, some = pair.network(), pair.examples(8)
    assert term_sums(pair, model, some[::-1]) == pytest.approx(term_sums(pair, model, some), rel=1e-9)


def test_other_examples_change_no_term(pair):
    model = pair.network()
    first, second, *others = pair.examples(9)
    alone = term_sums(pair, model, [first, second])
    for other in others:
        assert term_sums(pair, model, [silent(other), first, silent(other), second]) == pytest.approx(alone, rel=1e-12)


def reachable(stream, layers):
    """Return [T, T]: whether position j can influence position i through this many layers."""
    step = stream.attention_mask().double()
    found = torch.eye(len(step), dtype=torch.float64)
    for _ in range(layers):
        found = (step @ found > 0).double()
    return found > 0


def runner(pair, model, stream):
    """Return what runs on a stream of this order: the backbone, or the decoder with a constant memory if the backbone
    reads in another order."""
    causal = torch.equal(stream.attention_mask(), (stream.sequence[:, None] == stream.sequence).tril())
    offers = model.backbone.offers
    if not causal or "decoder" not in pair.objective.needs or offers & {"any", "causal"}:
        return model.backbone
    memory = Memory(torch.ones(len(stream), model.width, dtype=torch.float64), single_position_stream(len(stream)))
    return lambda x, stream: model.decoder(x, stream, memory)


def single_position_stream(count):
    seqs = [Seq({"token": np.zeros(1)}, np.zeros(1, np.int64)) for _ in range(count)]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


def test_a_position_influences_exactly_the_positions_that_see_it(pair):
    """Also checks that visible positions do have an influence, in the middle of a packed stream."""
    model, batch = pair.network(), pair.pack(pair.examples(5))
    reaches = "context reaches a position" not in pair.architecture.exempt
    for stream in batch.streams.values():
        run = runner(pair, model, stream)
        with torch.no_grad():
            x = model.embed(stream)
            before = run(x, stream)
            may = reachable(stream, layers=len(x))
            for i in range(0, len(x), 3):
                moved = x.clone()
                moved[i] += torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)
                changed = (run(moved, stream) - before).abs().amax(1) > 1e-12
                assert changed[i]
                assert torch.equal(changed, may[:, i] if reaches else may[:, i] & changed), f"position {i}"


def test_streams_have_the_orders_that_the_objective_needs(pair):
    needed = pair.objective.needs["backbone"]
    kinds = set()
    for stream in pair.pack(pair.examples(12)).streams.values():
        sees = stream.attention_mask()
        same = stream.sequence[:, None] == stream.sequence
        orders = {"full": same, "causal": same.tril(), "pointwise": torch.eye(len(sees), dtype=torch.bool)}
        of_this = {name for name, order in orders.items() if torch.equal(sees, order)}
        kinds |= of_this
        if not needed & {"any"}:
            assert of_this
    assert needed & {"any"} or kinds >= needed


def test_losses_do_not_depend_on_the_place_in_the_stream(pair):
    """Only group numbers and offsets may depend on the place of an example."""
    model, some = pair.network(), pair.examples(3)
    early, late = pair.pack(some), pair.pack([*map(silent, pair.examples(4, first=20)), *some])
    assert early.streams.keys() == late.streams.keys()
    renumbered = {k: replace(s, group=s.group + 5) for k, s in early.streams.items()}
    early.streams = renumbered
    with torch.no_grad():
        a, b = model(early), model(late)
    for term in a:
        assert float(a[term]) == pytest.approx(float(b[term]), rel=1e-12)
