"""The likelihood of held-out documents: every token is scored once, with the specified context, independent of
batching."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_model import CONTEXT, MACHINE, ToyStore, random_model

from danlu.evaluation.generation import pack_continuation
from danlu.evaluation.likelihood import Likelihood, likelihood, scored_windows

LENGTHS = (0, 5, 14, 15, 16, 40, 1)


@st.composite
def windowings(draw):
    """(document length, context, stride)."""
    context = draw(st.integers(1, 12))
    return draw(st.integers(1, 60)), context, draw(st.integers(1, context))


@given(windowings())
def test_every_token_after_the_first_is_a_target_once(windowing):
    length, context, stride = windowing
    ids = np.arange(100, 100 + length)
    scored = []
    for seq in scored_windows(ids, context, stride):
        tokens, labels = seq.inputs["token"], seq.labels["next"]
        assert 1 <= len(tokens) <= context
        assert np.array_equal(tokens, np.arange(tokens[0], tokens[0] + len(tokens)))
        at = labels >= 0
        assert np.array_equal(labels[at], tokens[at] + 1)
        scored += labels[at].tolist()
    assert scored == ids[1:].tolist()


@given(windowings())
def test_every_target_has_at_least_the_specified_context(windowing):
    length, context, stride = windowing
    for k, seq in enumerate(scored_windows(np.arange(length), context, stride)):
        for i in np.flatnonzero(seq.labels["next"] >= 0):
            seen = i + 1
            target = seq.labels["next"][i]
            assert seen >= min(target, context - stride + 1)
            assert k == 0 or len(seq.inputs["token"]) == context


@torch.no_grad()
def token_by_token(model, ids, context, stride):
    """Nats of the tokens after the first, each from a separate pass over its window."""
    found = []
    for target in range(1, len(ids)):
        beyond = max(0, target - context)
        stop = target if not beyond else context + -(-beyond // stride) * stride
        start = 0 if not beyond else min(stop, len(ids) - 1) - context
        stream = pack_continuation(0, ids[start:target], "cpu")
        logits = model.token_logits(model.hidden(stream)[-1])
        found.append(float(-logits.log_softmax(-1)[ids[target]]))
    return sum(found)


@pytest.mark.parametrize(("context", "stride"), [(CONTEXT, CONTEXT), (CONTEXT, 5), (CONTEXT, 1), (7, 3)])
def test_equals_scoring_one_token_at_a_time(context, stride):
    model, store = random_model(), ToyStore(LENGTHS)
    found = likelihood(model, store, context, stride, MACHINE)
    expected = [token_by_token(model, ids, context, stride) for ids in store.ids]
    np.testing.assert_allclose(found.nats, expected, rtol=1e-6)
    assert found.targets.tolist() == [len(ids) - 1 for ids in store.ids]
    assert found.bytes.tolist() == [2 * n for n in LENGTHS]


@settings(max_examples=10)
@given(st.integers(1, 200), st.permutations(LENGTHS))
def test_likelihood_does_not_depend_on_batching_or_order(batch_tokens, lengths):
    model = random_model()
    store = ToyStore(LENGTHS)
    shuffled = ToyStore(LENGTHS)
    places = [LENGTHS.index(n) for n in lengths]
    shuffled.ids = [store.ids[i] for i in places]
    one = likelihood(model, store, CONTEXT, 5, MACHINE)
    other = likelihood(model, shuffled, CONTEXT, 5, MACHINE, batch_tokens)
    np.testing.assert_allclose(other.nats, one.nats[places], rtol=1e-6)
    assert other.targets.tolist() == one.targets[places].tolist()


def test_a_smaller_stride_gives_more_context():
    model, store = random_model(scale=0.6), ToyStore([60])
    wide, narrow = (likelihood(model, store, CONTEXT, stride, MACHINE).nats[0] for stride in (1, CONTEXT))
    assert abs(wide - narrow) > 1e-3


@pytest.mark.parametrize("stride", [0, CONTEXT + 1])
def test_impossible_strides_are_refused(stride):
    with pytest.raises(ValueError, match=f"stride {stride} is not between 1 and the context {CONTEXT}"):
        likelihood(random_model(), ToyStore([3]), CONTEXT, stride, MACHINE)


def test_units_of_bits_per_byte_loss_and_perplexity():
    found = Likelihood(np.array([2 * math.log(2), math.log(2)]), np.array([2, 1]), np.array([4, 2]))
    assert found.bits_per_byte == pytest.approx(0.5)
    assert found.loss == pytest.approx(math.log(2))
    assert found.perplexity == pytest.approx(2)
