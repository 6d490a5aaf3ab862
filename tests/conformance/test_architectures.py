"""Every registered architecture: the attention orders that it offers, and incremental passes that equal the full
pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pairs import architecture_of
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.batch import HIDDEN_KEY, Seq, StreamSpec, causal_order, full_order, pointwise_order
from danlu.evaluation.generation import pack_continuation
from danlu.packing import pack
from danlu.registry import architectures, objectives

ORDERS = {
    "causal": lambda n: (causal_order(n), None),
    "full": lambda n: (full_order(n), None),
    "prefix": lambda n: (np.maximum(np.arange(n) - n // 2, 0), None),
    "permutation": lambda n: (np.random.default_rng(n).permutation(n), None),
    "a query-only position": lambda n: (
        np.where(np.arange(n) == n // 2, HIDDEN_KEY, np.arange(n)),
        np.arange(n),
    ),
    "pointwise": pointwise_order,
}

FIELDS = {"text": StreamSpec()}


def stream_of(order, lengths):
    seqs = []
    for k, length in enumerate(lengths):
        key, query = ORDERS[order](length)
        seqs.append(Seq({"token": sentence(k, length)}, key, query))
    return pack([{"text": [s]} for s in seqs], FIELDS)["text"]


def network_of(name):
    objective = objectives.validate("causal")
    model = build_network(objective, architecture_of(name), VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model


@pytest.fixture(params=list(architectures))
def model(request):
    return network_of(request.param)


@pytest.fixture
def uses_all_context(request):
    """Whether every visible position must influence the output; positions that are not visible never may."""
    name = request.node.callspec.params["model"]
    return "context reaches a position" not in architectures[name].exempt


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("lengths", [(7,), (5, 5, 5), (1, 8, 3)])
def test_only_visible_positions_influence_a_position(model, order, lengths, uses_all_context):
    offers = model.backbone.offers
    if order not in offers and "any" not in offers:
        return
    stream = stream_of(order, lengths)
    with torch.no_grad():
        x = model.embed(stream)
        before = model.backbone(x, stream)
        step = stream.attention_mask().double()
        visible = torch.linalg.matrix_power(step, len(x)) > 0  # through any number of layers: step has a full diagonal
        for i in range(len(x)):
            perturbed = x.clone()
            perturbed[i] += torch.linspace(-1, 1, x.shape[1], dtype=x.dtype)
            changed = (model.backbone(perturbed, stream) - before).abs().amax(1) > 1e-12
            assert changed[i]
            assert torch.equal(changed, visible[:, i] if uses_all_context else visible[:, i] & changed), f"position {i}"


@pytest.mark.parametrize("chunks", [(1,) * 12, (5, 1, 6), (11, 1), (12,)])
def test_an_incremental_pass_equals_the_full_pass(model, chunks):
    ids = sentence(3, sum(chunks))
    with torch.no_grad():
        whole = pack_continuation(0, ids, "cpu")
        expected = model.backbone(model.embed(whole), whole)
        state, start, outputs = None, 0, []
        for size in chunks:
            part = pack_continuation(start, ids[start : start + size], "cpu")
            hidden, state = model.backbone.extend(model.embed(part), part, state)
            assert len(hidden) == size
            outputs.append(hidden)
            start += size
    torch.testing.assert_close(torch.cat(outputs), expected, rtol=0, atol=1e-12)


def test_a_state_can_be_extended_twice(model):
    """Two continuations of one prompt do not affect each other."""
    prompt = pack_continuation(0, sentence(0, 4), "cpu")
    with torch.no_grad():
        _, state = model.backbone.extend(model.embed(prompt), prompt, None)
        ends = [pack_continuation(4, sentence(k, 3), "cpu") for k in (1, 5, 1)]
        first, other, again = (model.backbone.extend(model.embed(e), e, state)[0] for e in ends)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", list(architectures))
def test_weights_depend_on_the_seed_and_nothing_else(name):
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(weights))
        before = torch.random.get_rng_state()
        state = build_network(objectives.validate("causal"), architecture_of(name), VOCABULARY.size, seed).state_dict()
        assert torch.equal(before, torch.random.get_rng_state())
        weights.append(torch.cat([v.flatten() for v in state.values()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
