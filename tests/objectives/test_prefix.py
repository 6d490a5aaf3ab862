"""A prefix is read in both directions; every token after it is a target predicted from the tokens before it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_language import VOCABULARY, ToySamples, sentence

from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec
from danlu.evaluation.generation import Sampling, generate, pack_continuations
from danlu.objectives.prefix import Prefix
from danlu.packing import pack
from danlu.registry import architectures
from danlu.training.precision import Machine


@given(st.integers(0, 60), st.sampled_from([(0.0, 0.7), (0.5, 0.5), (1.0, 1.0), (0.0, 0.0)]))
def test_the_prefix_is_bidirectional_and_the_rest_causal(n, shares):
    objective = Prefix(shortest=shares[0], longest=shares[1])
    for seq in objective.example(ToySamples().draw(n))["text"]:
        targets = np.flatnonzero(seq.labels["continued"] >= 0)
        prefix = int((seq.key == 0).sum())
        assert targets.tolist() == list(range(prefix - 1, len(seq.key)))
        sees = pack([{"text": [seq]}], objective.streams)["text"].attention_mask().numpy()
        assert sees[:prefix, :prefix].all()
        assert not np.triu(sees[prefix:, prefix:], 1).any()
        assert sees[prefix:, :prefix].all()
        assert not sees[:prefix, prefix:].any()


def test_shares_in_the_wrong_order_are_refused():
    with pytest.raises(ValidationError, match=r"shortest 0\.9 exceeds longest 0\.1"):
        Prefix(shortest=0.9, longest=0.1)


def test_generation_reads_the_prompt_as_a_prefix():
    chosen = architectures.validate({"name": "transformer", "layers": 2, "width": 16, "heads": 2, "context": 32})
    model = build_network(Prefix(), chosen, VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.5 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    prompt = sentence(2, 5)
    made = generate(model, prompt, VOCABULARY, Sampling(tokens=8, temperature=0), 32, Machine("cpu", "float32", 1))
    ids = np.concatenate([[VOCABULARY.bos], prompt])
    first = len(ids)
    for token in made.tolist():
        order = np.maximum(np.arange(len(ids)) - first + 1, 0)
        stream = pack([{"text": [Seq({"token": ids}, order)]}], {"text": StreamSpec()})["text"]
        with torch.no_grad():
            logits = model.token_logits(model.hidden(stream)[-1])
        logits[sorted(VOCABULARY.special - {VOCABULARY.eos})] = -torch.inf
        assert int(logits.argmax()) == token
        ids = np.append(ids, token)
    assert pack_continuations([0], [prompt], "cpu", Prefix().prompt_order).key.tolist() == [0] * 5
