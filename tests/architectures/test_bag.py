"""A bag of vectors: at most a bigram model, and refused for objectives that need context."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.batch import ATTENTION_ORDERS, Seq, StreamSpec
from danlu.config.compatibility import check_compatible
from danlu.errors import WrongInput
from danlu.packing import pack
from danlu.registry import architectures, objectives


def bag(**settings):
    return architectures.validate({"name": "bag", "width": 8} | settings)


@pytest.mark.parametrize("order", ATTENTION_ORDERS)
def test_hidden_states_are_embeddings_in_every_order(order):
    model = build_network(objectives.validate("causal"), bag(), VOCABULARY.size, seed=0)
    ids = sentence(2, 9)
    stream = pack([{"text": [Seq({"token": ids}, *ATTENTION_ORDERS[order](9))]}], {"text": StreamSpec()})["text"]
    assert torch.equal(model.hidden(stream), model.embeddings["token"].weight[ids])


def test_pointwise_positions_attend_only_to_themselves():
    seq = Seq({"token": sentence(0, 5)}, *ATTENTION_ORDERS["pointwise"](5))
    assert torch.equal(
        pack([{"text": [seq, seq]}], {"text": StreamSpec()})["text"].attention_mask(), torch.eye(10, dtype=torch.bool)
    )


def test_a_causal_bag_is_a_bigram_model():
    """Two words follow the first with probabilities 3/4 and 1/4: the loss converges to that entropy."""
    model = build_network(objectives.validate("causal"), bag(), VOCABULARY.size, seed=0)
    piece = np.array([4, 5, 4, 5, 4, 5, 4, 6])
    seqs = [
        Seq({"token": piece[i : i + 1]}, np.zeros(1, int), labels={"causal": piece[i + 1 :][:1]}) for i in (0, 2, 4, 6)
    ]
    batch = pack([{"text": seqs}], model.objective.streams)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.05, weight_decay=0)
    for _ in range(300):
        loss = model(batch)["causal"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert float(loss.detach()) / 4 == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25), abs=1e-3)


def test_masked_is_refused_and_word_vectors_need_no_context():
    with pytest.raises(WrongInput, match="masked needs an architecture with full attention; bag offers causal"):
        build_network(objectives.validate("masked"), bag(), VOCABULARY.size, seed=0)
    recurrent = architectures.validate({"name": "recurrent", "width": 8})
    message = check_compatible(objectives.validate("skipgram"), recurrent)
    assert message.startswith("skipgram needs an architecture with pointwise attention; recurrent offers")
    assert " bag, " in message
    assert objectives.validate("skipgram").reading_order == "pointwise"
    assert objectives.validate("causal").reading_order == "causal"
    assert objectives.validate("masked").reading_order == "full"
    assert objectives.validate("permutation").reading_order == "full"
