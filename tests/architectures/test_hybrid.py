"""Hybrids: each mixer equals the layer it is named after, and incremental decoding keeps the state of each layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from toy_language import VOCABULARY

from danlu.architectures import build_network
from danlu.architectures.hybrid import Hybrid
from danlu.architectures.hybrid.mixers import ConvolutionMixer, RecurrentMixer, build_stream_view
from danlu.architectures.transformer import Transformer
from danlu.batch import Seq, StreamSpec, causal_order, full_order
from danlu.objectives.causal import Causal
from danlu.packing import pack
from danlu.registry import architectures
from danlu.training.layer_depth import depths

SMALL = {"layers": 3, "width": 16, "heads": 2, "ffn_dim": 24, "kernel": 3, "context": 16}
ALL = ("convolution", "attention", "recurrent")


def stream_of(lengths, order=causal_order, start=(0, 0, 0, 0)):
    seqs = []
    for n, first in zip(lengths, start[: len(lengths)], strict=True):
        places = order(n) + first if order is causal_order else order(n)
        seqs.append(Seq({"token": np.zeros(n, np.int64), "position": np.arange(n) + first}, places))
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


def backbone_of(**settings):
    torch.manual_seed(0)
    made = Hybrid(**{**SMALL, **settings}).build().double()
    with torch.no_grad():
        for p in made.parameters():
            p += 0.3 * torch.randn(p.shape, dtype=p.dtype)
    return made


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("mixers", [ALL, ("recurrent",), ("convolution", "recurrent"), ("attention", "convolution")])
def test_extending_several_sequences_equals_the_full_pass(mixers, cell):
    backbone = backbone_of(mixers=mixers, cell=cell)
    lengths, cut = (6, 9, 4), (2, 5, 1)
    x = torch.randn(sum(lengths), 16, dtype=torch.float64)
    expected = backbone(x, stream_of(lengths)).split(lengths)
    parts = [(p[:c], p[c:]) for p, c in zip(x.split(lengths), cut, strict=True)]
    first, state = backbone.extend(torch.cat([a for a, _ in parts]), stream_of(cut), None)
    rest = [len(b) for _, b in parts]
    last, _ = backbone.extend(torch.cat([b for _, b in parts]), stream_of(rest, start=cut), state)
    torch.testing.assert_close(
        first, torch.cat([w[:c] for w, c in zip(expected, cut, strict=True)]), rtol=0, atol=1e-12
    )
    torch.testing.assert_close(last, torch.cat([w[c:] for w, c in zip(expected, cut, strict=True)]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("reach", ["causal", "full"])
@pytest.mark.parametrize("mixers", [ALL, ("recurrent", "convolution")])
def test_packed_sequences_equal_single_sequences(reach, mixers):
    backbone, order = backbone_of(mixers=mixers, reach=reach), causal_order if reach == "causal" else full_order
    lengths = (3, 7, 1)
    x = torch.randn(sum(lengths), 16, dtype=torch.float64)
    alone = [backbone(part, stream_of([len(part)], order)) for part in x.split(lengths)]
    torch.testing.assert_close(backbone(x, stream_of(lengths, order)), torch.cat(alone), rtol=0, atol=1e-12)


def test_a_hybrid_of_attention_only_equals_the_transformer():
    hybrid = build_network(Causal(), Hybrid(mixers=("attention",), **SMALL), VOCABULARY.size, 0).double()
    sizes = {k: v for k, v in SMALL.items() if k != "kernel"}
    plain = build_network(Causal(), Transformer(**sizes), VOCABULARY.size, 1).double()
    names = {".mixer.": ".attention.", ".mixer_norm.": ".attention_norm.", "backbone.norm.": "backbone.final_norm."}
    state = {}
    for name, value in hybrid.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(ours, theirs)
        state[name] = value + 0.3 * torch.randn(value.shape, dtype=value.dtype)
    plain.load_state_dict(state)
    turned = {theirs: ours for ours, theirs in names.items()}
    back = {}
    for name, value in state.items():
        for ours, theirs in turned.items():
            name = name.replace(ours, theirs)
        back[name] = value
    hybrid.load_state_dict(back)
    stream = stream_of((5, 8))
    with torch.no_grad():
        torch.testing.assert_close(hybrid.hidden(stream), plain.hidden(stream), rtol=0, atol=1e-12)
    assert hybrid.backbone.offers == plain.backbone.offers


def test_mixers_equal_torch_recurrence_and_the_convolutional_block():
    sizes = Hybrid(**SMALL).sizes
    stream = stream_of((6,))
    x = torch.randn(6, 16, dtype=torch.float64)
    view = build_stream_view(x, stream, sizes)
    torch.manual_seed(0)
    recurrent = RecurrentMixer(sizes).double()
    torch.testing.assert_close(recurrent(x, view), recurrent.out(recurrent.cells(x)[0]), rtol=0, atol=1e-12)
    block = architectures.validate({"name": "convolutional", "width": 16, "kernel": 3}).build().double().blocks[0]
    torch.nn.init.normal_(block.out.weight)
    mixer = ConvolutionMixer(sizes).double()
    mixer.load_state_dict({k: v for k, v in block.state_dict().items() if not k.startswith("norm")})
    normed = block.norm(x)
    torch.testing.assert_close(x + mixer(normed, view), block(x, normed, view.neighbours), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("settings", "offers"),
    [
        ({"mixers": ALL}, {"causal"}),
        ({"mixers": ALL, "reach": "full"}, {"full"}),
        ({"mixers": ("attention",)}, {"causal", "full", "any"}),
        ({"mixers": ("attention", "recurrent"), "layers": 1}, {"causal", "full", "any"}),
    ],
)
def test_offered_orders_are_those_that_all_layers_support(settings, offers):
    assert backbone_of(**settings).offers == offers


def test_mixers_repeat_and_each_layer_has_a_depth():
    chosen = Hybrid(**{**SMALL, "layers": 5}, mixers=("recurrent", "attention"))
    assert chosen.pattern == ("recurrent", "attention", "recurrent", "attention", "recurrent")
    found = depths(build_network(Causal(), chosen, VOCABULARY.size, 0))
    assert {d for n, d in found.items() if n.startswith("backbone.blocks.")} == {1, 2, 3, 4, 5}


def test_a_layer_is_the_identity_at_initialisation():
    model = build_network(Causal(), Hybrid(**SMALL, mixers=ALL), VOCABULARY.size, 0)
    stream = stream_of((5,))
    x = model.embed(stream)
    assert torch.equal(model.backbone(x, stream), model.backbone.norm(x))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 18, "heads": 2}, "not a multiple of twice the heads"),
        ({"heads": 4, "kv_heads": 3}, "heads 4 is not a multiple of kv_heads 3"),
        (
            {"reach": "full", "kernel": 4, "mixers": ("convolution",)},
            "a centred kernel must be odd, not 4; set kernel to 5",
        ),
        ({"mixers": ()}, "at least 1"),
        ({"mixers": ("attention", "mamba")}, "'attention', 'recurrent' or 'convolution'"),
    ],
)
def test_incompatible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        architectures.validate({"name": "hybrid", **settings})
