"""Generation from a prompt: the cache changes nothing, seeds are reproducible, and it stops where it should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from random_model import CONTEXT, MACHINE, random_model
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.evaluation.generation import Sampling, generate, pack_continuation, sample_token
from danlu.objectives.causal import Causal
from danlu.registry import objectives

MODEL = random_model(scale=0.5)
PROMPT = sentence(2, 4)
GREEDY = Sampling(tokens=10, temperature=0)


def generated(sampling, prompt=PROMPT, model=MODEL, context=CONTEXT):
    return generate(model, prompt, VOCABULARY, sampling, context, MACHINE)


@torch.no_grad()
def uncached(sampling, prompt=PROMPT, context=CONTEXT):
    """Run the whole text through the model again for each token."""
    rng = np.random.default_rng(sampling.seed)
    ids, made = np.concatenate([[VOCABULARY.bos], prompt]), []
    while len(made) < sampling.tokens and len(ids) <= context:
        logits = MODEL.token_logits(MODEL.hidden(pack_continuation(0, ids, "cpu")))[-1].float()
        logits[sorted(VOCABULARY.special - {VOCABULARY.eos})] = float("-inf")
        token = sample_token(logits, sampling, rng)
        if token == VOCABULARY.eos:
            break
        made.append(token)
        ids = np.append(ids, token)
    return made


@pytest.mark.parametrize(
    "sampling", [GREEDY, *(Sampling(tokens=10, temperature=t, seed=s) for t in (0.5, 1.5) for s in range(6))], ids=str
)
def test_cached_equals_uncached(sampling):
    assert generated(sampling).tolist() == uncached(sampling)


def test_one_seed_is_reproducible_and_others_differ():
    texts = [tuple(generated(Sampling(temperature=2.0, tokens=10, seed=seed))) for seed in (*range(8), *range(8))]
    assert texts[:8] == texts[8:]
    assert len(set(texts[:8])) > 4


def test_greedy_needs_no_seed():
    assert len({tuple(generated(GREEDY.model_copy(update={"seed": seed}))) for seed in range(4)}) == 1


class ConstantModel:
    objective = objectives.validate("causal")

    """A model that always predicts the same token."""

    training = False

    def __init__(self, token):
        self.token, self.backbone = token, self
        self.positions = []

    def eval(self):
        return self

    def train(self, mode=True):
        return self

    def embed(self, stream):
        self.positions += stream.inputs["position"].tolist()
        return torch.zeros(len(stream.key), 1)

    def extend(self, x, stream, state):
        return x, state

    def token_logits(self, hidden):
        logits = torch.zeros(len(hidden), VOCABULARY.size)
        logits[:, self.token] = 50.0
        return logits


def test_stops_before_the_end_token():
    assert generated(GREEDY, model=ConstantModel(VOCABULARY.eos)).tolist() == []


def test_stops_after_the_requested_tokens():
    assert generated(Sampling(tokens=3), model=ConstantModel(7)).tolist() == [7, 7, 7]


def test_stops_at_the_context():
    model = ConstantModel(7)
    assert len(generated(Sampling(tokens=99), model=model)) == CONTEXT - len(PROMPT)
    assert model.positions == list(range(CONTEXT))


@pytest.mark.parametrize("length", [CONTEXT - 1, CONTEXT, 5 * CONTEXT])
def test_a_long_prompt_keeps_its_end_and_leaves_one_token(length):
    found = generated(Sampling(tokens=9, temperature=0), prompt=sentence(0, length))
    assert len(found) <= 1
    same_end = sentence(0, length)[-CONTEXT:]
    if length >= CONTEXT:
        assert found.tolist() == generated(Sampling(tokens=9, temperature=0), prompt=same_end).tolist()


def test_an_empty_prompt_is_accepted():
    assert len(generated(Sampling(tokens=5, seed=1), prompt=np.zeros(0, np.int64))) <= 5


@pytest.mark.parametrize("token", [VOCABULARY.pad, VOCABULARY.bos, VOCABULARY.mask])
def test_special_tokens_are_never_generated(token):
    found = generated(Sampling(tokens=10, temperature=1.0), model=ConstantModel(token))
    assert VOCABULARY.ordinary(found).all()


def test_the_training_mode_is_restored():
    model = random_model(dropout=0.5)
    model.train()
    first = generated(GREEDY, model=model).tolist()
    assert model.training
    assert first == generated(GREEDY, model=model.eval()).tolist()
    assert not model.training


logits = st.lists(st.integers(-8, 8), min_size=2, max_size=9, unique=True).map(
    lambda x: torch.tensor(x, dtype=torch.float32)
)


@given(logits, st.integers(0, 99), st.integers(1, 5))
def test_top_k_draws_among_the_k_most_likely(x, seed, k):
    drawn = sample_token(x, Sampling(temperature=3.0, top_k=k, top_p=1), np.random.default_rng(seed))
    assert drawn in x.argsort(descending=True)[:k].tolist()


@given(logits, st.integers(0, 99), st.floats(0.01, 1))
def test_top_p_draws_among_the_smallest_set_of_that_probability(x, seed, p):
    order = x.argsort(descending=True).tolist()
    shares = x.double().div(2.0).softmax(-1)[order]
    before = (shares.cumsum(0) - shares).tolist()
    allowed = [i for i, b in zip(order, before, strict=True) if b < p + 1e-9]
    assert sample_token(x, Sampling(temperature=2.0, top_p=p), np.random.default_rng(seed)) in allowed


@given(logits, st.integers(0, 99))
def test_zero_temperature_top_1_and_tiny_top_p_are_greedy(x, seed):
    for sampling in (Sampling(temperature=0), Sampling(top_k=1), Sampling(top_p=1e-9)):
        assert sample_token(x, sampling, np.random.default_rng(seed)) == int(x.argmax())


def test_draws_follow_the_softmax():
    x, rng = torch.tensor([0.0, 1.0, 2.0]), np.random.default_rng(0)
    n = 4000
    drawn = np.bincount([sample_token(x, Sampling(temperature=0.7, top_p=1), rng) for _ in range(n)], minlength=3)
    shares = x.double().div(0.7).softmax(0).numpy()
    assert (abs(drawn - n * shares) <= 5 * (n * shares * (1 - shares)) ** 0.5).all()


@pytest.mark.parametrize("given", [{"temperature": -1}, {"top_p": 0}, {"top_p": 1.1}, {"top_k": 0}, {"tokens": 0}])
def test_impossible_sampling_is_refused(given):
    with pytest.raises(ValidationError):
        Sampling.model_validate(given)


def test_a_padded_vocabulary_generates_only_existing_tokens():
    """The model has 40 more entries than its tokenizer; random weights make them as likely as the others."""
    network = build_network(
        Causal(), Transformer(layers=1, width=16, heads=2, context=64), VOCABULARY.size + 40, seed=0
    )
    wild = [Sampling(tokens=60, temperature=2.0, top_p=1.0, seed=seed) for seed in range(5)]
    made = np.concatenate([generated(sampling, model=network.eval(), context=64) for sampling in wild])
    assert len(made)
    assert made.max() < VOCABULARY.size
