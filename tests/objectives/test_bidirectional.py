"""Two directions: each step is a target once, no token is predicted from itself, and both are used for embeddings."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_language import VOCABULARY, ToySamples, sentence

from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec, causal_order
from danlu.evaluation.embedding import embed
from danlu.objectives.bidirectional import Bidirectional, reverse_positions
from danlu.objectives.causal import Causal
from danlu.packing import pack
from danlu.registry import architectures


def network_of(objective, name="recurrent", **settings):
    shape = {"name": name, "layers": 1, "width": 16, "context": 16, **settings}
    model = build_network(objective, architectures.validate(shape), VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(1)  # Transformer blocks are initialised as the identity
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model


def text_of(texts):
    seqs = [Seq({"token": ids}, causal_order(len(ids))) for ids in texts]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


@given(st.integers(0, 60))
def test_both_directions_predict_the_steps_of_the_same_pieces(n):
    example = Bidirectional().example(ToySamples().draw(n))
    pieces = ToySamples().draw(n).pieces(overlap=1)
    for piece, forward, backward in zip(pieces, example["forward"], example["backward"], strict=True):
        assert [*forward.inputs["token"], forward.labels["forward"][-1]] == piece.tolist()
        assert [*backward.inputs["token"], backward.labels["backward"][-1]] == piece[::-1].tolist()
        assert np.array_equal(forward.labels["forward"], piece[1:])
        assert np.array_equal(backward.labels["backward"], piece[-2::-1])


def test_the_forward_direction_is_causal_language_modelling():
    model = network_of(Bidirectional())
    causal = network_of(Causal())
    causal.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("head.")})
    examples = [(Bidirectional().example(d), Causal().example(d)) for d in map(ToySamples().draw, range(5))]
    both = model(pack([a for a, _ in examples], Bidirectional.streams))
    one = causal(pack([b for _, b in examples], Causal.streams))
    torch.testing.assert_close(both["forward"], one["causal"])
    assert not torch.isclose(both["backward"], both["forward"])


def test_the_directions_share_embeddings_but_not_layers():
    model = network_of(Bidirectional())
    names = {name.removeprefix("head.") for name, _ in model.named_parameters() if name.startswith("head.")}
    assert names == {name for name, _ in model.named_parameters() if name.startswith("backbone.")}
    forward, backward = model.backbone, model.head.backbone
    assert all(not torch.equal(a, b) for a, b in zip(matrices(forward), matrices(backward), strict=True))


def matrices(module):
    return [p for p in module.parameters() if p.ndim == 2]


def test_text_states_combine_the_context_before_and_after_each_position():
    """Checks the forward and the backward half by changing one token at a time."""
    objective = Bidirectional()
    for name, more in (("recurrent", {}), ("gpt2", {"heads": 2, "ffn_dim": 32})):
        model = network_of(objective, name, **more)
        texts = [sentence(1, 5), sentence(4, 3)]
        stream = text_of(texts)
        with torch.no_grad():
            before = objective.text_states(model, model.head, stream)
            assert before.shape == (8, 32)
            for k in range(8):
                token = stream.inputs["token"].clone()
                token[k] = 11 if token[k] != 11 else 5
                moved = text_of(token.numpy()[a:b] for a, b in ((0, 5), (5, 8)))
                changed = (objective.text_states(model, model.head, moved) - before).abs() > 1e-12
                same, t = stream.sequence == stream.sequence[k], torch.arange(8)
                assert torch.equal(changed[:, :16].any(1), same & (t >= k)), name
                assert torch.equal(changed[:, 16:].any(1), same & (t <= k)), name


def test_reversed_positions():
    assert reverse_positions(text_of([sentence(0, 3), sentence(0, 1), sentence(0, 2)])).tolist() == [2, 1, 0, 3, 5, 4]


def test_embeddings_use_both_directions_and_keep_the_order_of_texts():
    objective = Bidirectional()
    model = network_of(objective)
    texts = [sentence(k, n) for k, n in ((0, 6), (3, 2), (5, 4))]
    vectors = embed(model, texts, "causal", pooling="mean", normalize=False)
    assert vectors.shape == (3, 32)
    for ids, vector in zip(texts, vectors, strict=True):
        with torch.no_grad():
            alone = objective.text_states(model, model.head, text_of([ids])).mean(0).float().numpy()
        np.testing.assert_allclose(vector, alone, rtol=1e-5, atol=1e-6)
    assert embed(model, [], "causal", pooling="mean", normalize=True).shape == (0, 16)
