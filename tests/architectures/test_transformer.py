"""The Transformer's settings; every variant equals the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from toy_language import VOCABULARY, sentence

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.architectures.transformer.layout import Dense
from danlu.batch import Seq, StreamSpec, causal_order
from danlu.evaluation.generation import pack_continuation
from danlu.objectives.causal import Causal
from danlu.packing import pack

VARIANTS = {
    "grouped queries": {"kv_heads": 2},
    "one shared key and value": {"kv_heads": 1},
    "wide heads": {"head_dim": 10},
    "query-key norm": {"qk_norm": True},
    "layer norm": {"norm": "layer", "embedding_norm": True, "first_norm": False},
    "learned positions": {"positions": "learned"},
    "relative positions": {"positions": "relative", "relative_buckets": 8, "scaled_attention": False},
    "relative positions, grouped queries": {"positions": "relative", "kv_heads": 2},
    "plain feed-forward": {"gated": False, "activation": "relu2"},
    "biases": {"bias": True},
    "untied output": {"tied": False},
    "windows": {"layers": 3, "window": 4, "global_every": 2, "local_theta": 50.0},
    "narrow embeddings": {"embedding_width": 6, "positions": "learned", "embedding_norm": True},
    "one shared block": {"layers": 3, "shared_layers": 1},
    "two shared blocks": {"layers": 5, "shared_layers": 2},
}


def network(**settings):
    chosen = Transformer(**{"layers": 2, "width": 16, "heads": 4, "ffn_dim": 24, "context": 12, **settings})
    model = build_network(Causal(), chosen, VOCABULARY.size, seed=0).double().eval()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return model


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
@torch.no_grad()
def test_fast_attention_packing_and_continuation_equal_the_reference(settings):
    model = network(**settings)
    seqs = [Seq({"token": sentence(k, n)}, causal_order(n)) for k, n in enumerate((3, 7, 1, 12))]
    stream = pack([{"text": seqs}], {"text": StreamSpec()})["text"]
    x = model.embed(stream)
    reference = model.backbone(x, stream, layout=Dense(stream))
    torch.testing.assert_close(model.backbone(x, stream), reference, rtol=0, atol=1e-12)
    last = pack_continuation(0, sentence(3, 12), "cpu")
    torch.testing.assert_close(model.hidden(last), reference[-12:], rtol=0, atol=1e-12)
    state, made = None, []
    for i in range(12):
        step = pack_continuation(i, sentence(3, 12)[i : i + 1], "cpu")
        hidden, state = model.backbone.extend(model.embed(step), step, state)
        made.append(hidden)
    torch.testing.assert_close(torch.cat(made), reference[-12:], rtol=0, atol=1e-12)


@pytest.mark.parametrize("settings", [{}, {"positions": "learned"}, {"positions": "relative"}], ids=str)
@torch.no_grad()
def test_positions_matter(settings):
    """The same tokens in another order have another last hidden state."""
    model = network(**settings)
    a, b = np.array([5, 6, 7, 8]), np.array([6, 5, 7, 8])
    ends = [model.hidden(pack_continuation(0, ids, "cpu"))[-1] for ids in (a, b)]
    assert (ends[0] - ends[1]).abs().max() > 1e-6


@torch.no_grad()
def test_rotary_attention_depends_on_distances_only():
    model = network()
    near, far = (model.hidden(pack_continuation(start, sentence(0, 6), "cpu")) for start in (0, 1000))
    torch.testing.assert_close(near, far, rtol=0, atol=1e-3)


def test_a_block_is_the_identity_at_initialisation():
    chosen = Transformer(layers=2, width=16, heads=4, context=12)
    model = build_network(Causal(), chosen, VOCABULARY.size, seed=0)
    stream = pack_continuation(0, sentence(0, 5), "cpu")
    x = model.embed(stream)
    assert torch.equal(model.backbone(x, stream), model.backbone.final_norm(x))


def test_dropout_is_on_in_training_and_off_in_evaluation():
    model = network(dropout=0.5)
    stream = pack_continuation(0, sentence(0, 8), "cpu")
    assert torch.equal(model.hidden(stream), model.hidden(stream))
    model.train()
    assert not torch.equal(model.hidden(stream), model.hidden(stream))


def test_the_parameter_count_follows_the_settings():
    count = {kv: sum(p.numel() for p in network(kv_heads=kv).parameters()) for kv in (4, 2, 1)}
    per_head = 2 * 2 * 16 * 4  # keys and values, two layers, [width, head_dim]
    assert count[4] - count[2] == 2 * per_head
    assert count[2] - count[1] == per_head
    tied, own = network(), network(tied=False)
    extra = sum(p.numel() for p in own.parameters()) - sum(p.numel() for p in tied.parameters())
    assert extra == VOCABULARY.size * 16


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"width": 10, "heads": 4}, "width 10 is not a multiple of heads 4; set head_dim"),
        ({"width": 16, "heads": 4, "kv_heads": 3}, "heads 4 is not a multiple of kv_heads 3"),
        ({"width": 12, "heads": 4}, "rotary positions need an even head width, not 3"),
        ({"positions": "relative", "window": 3}, "window: not supported with relative positions; leave it out"),
        (
            {"positions": "relative", "relative_buckets": 8, "max_relative_distance": 4},
            "max_relative_distance 4 must be greater than half of relative_buckets, 4",
        ),
        ({"layers": 0}, "greater than 0"),
        ({"shared_layers": 1, "window": 4}, "layers that share a block cannot differ; leave out window"),
        ({"shared_layers": 1, "first_norm": False}, "leave out window and first_norm"),
        ({"embedding_width": 0}, "greater than 0"),
        ({"norm": "batch"}, "'rms' or 'layer'"),
        ({"layer": 3}, "unknown key 'layer'; did you mean 'layers'"),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Transformer.model_validate(settings)


@pytest.mark.parametrize("settings", VARIANTS.values(), ids=VARIANTS)
def test_bfloat16_autocast_raises_no_torch_warning(settings):
    """Warnings are errors here; torch gives some of them only once per process by default."""
    model = network(**settings).float()
    stream = pack([{"text": [Seq({"token": sentence(0, 9)}, causal_order(9))]}], {"text": StreamSpec()})["text"]
    before = torch.is_warn_always_enabled()
    torch.set_warn_always(True)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = model.hidden(stream)
    finally:
        torch.set_warn_always(before)
    exact = model.hidden(stream)
    assert (hidden - exact).norm() < 0.15 * exact.norm()
