"""Pseudo-likelihood: every text token is masked once and predicted from both sides, independent of batching."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_model import CONTEXT, MACHINE, ToyStore
from toy_language import VOCABULARY

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.evaluation.blank_filling import blank_probabilities
from danlu.evaluation.pseudo_likelihood import masked_windows, pseudo_likelihood
from danlu.objectives.masked import Masked

STORE = ToyStore((0, 5, 14, 40, 1))


@pytest.fixture(scope="module")
def model():
    made = build_network(Masked(), Transformer(layers=2, width=16, heads=2, context=CONTEXT), VOCABULARY.size, 0)
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return made.double().eval()


@given(st.integers(1, 50), st.integers(1, 12), st.integers(2, 9))
def test_every_text_token_is_masked_once(length, context, every):
    ids = ToyStore((length,)).document(0)
    seen = []
    for seq in masked_windows(ids, context, every, VOCABULARY):
        labels, shown = seq.labels["hidden"], seq.inputs["token"]
        at = labels >= 0
        assert (shown[at] == VOCABULARY.mask).all()
        assert not (shown[~at] == VOCABULARY.mask).any()
        assert len(shown) <= context
        seen += labels[at].tolist()
    assert sorted(seen) == sorted(ids[VOCABULARY.ordinary(ids)].tolist())


def test_pseudo_likelihood_equals_masking_one_token_at_a_time(model):
    """As Salazar et al. define it, computed with the function behind `fill`."""
    ids = STORE.document(2)
    everything = np.ones(VOCABULARY.size, bool)
    expected = 0.0
    for at in np.flatnonzero(VOCABULARY.ordinary(ids)):
        hidden = ids.copy()
        hidden[at] = VOCABULARY.require_mask()
        expected -= np.log(blank_probabilities(model, hidden, np.array([at]), everything)[0, ids[at]])
    found = pseudo_likelihood(model, STORE, CONTEXT, CONTEXT, VOCABULARY, MACHINE)
    assert found.nats[2] == pytest.approx(expected, rel=1e-6)
    assert found.targets[2] == 14


@pytest.mark.parametrize("batch_tokens", [1, 50])
def test_batching_changes_nothing(model, batch_tokens):
    whole = pseudo_likelihood(model, STORE, CONTEXT, 4, VOCABULARY, MACHINE)
    found = pseudo_likelihood(model, STORE, CONTEXT, 4, VOCABULARY, MACHINE, batch_tokens)
    np.testing.assert_allclose(found.nats, whole.nats, atol=1e-6)
    assert found.targets.tolist() == whole.targets.tolist() == [0, 5, 14, 40, 1]


def test_masking_all_tokens_at_once_is_refused(model):
    with pytest.raises(ValueError, match="every is 1, which masks all tokens"):
        pseudo_likelihood(model, STORE, CONTEXT, 1, VOCABULARY, MACHINE)
