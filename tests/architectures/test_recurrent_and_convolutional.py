"""Recurrent and convolutional backbones on ragged sequences: packed equals single, and both equal torch."""

import numpy as np
import pytest
import torch
from torch import nn

from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec, causal_order, full_order
from danlu.errors import WrongInput
from danlu.packing import pack
from danlu.registry import architectures, objectives

KINDS = [
    ({"name": "recurrent", "cell": cell, "directions": directions}, {"forward": "causal", "both": "full"}[directions])
    for cell in ("rnn", "lstm", "gru")
    for directions in ("forward", "both")
] + [
    ({"name": "convolutional", "reach": "causal", "kernel": 4}, "causal"),
    ({"name": "convolutional", "reach": "centred", "kernel": 3}, "full"),
]


def backbone_of(settings):
    torch.manual_seed(0)
    chosen = architectures.validate(settings | {"layers": 2, "width": 8, "context": 16})
    made = chosen.build().double()
    with torch.no_grad():
        for p in made.parameters():
            p += 0.3 * torch.randn(p.shape, dtype=p.dtype)
    return made


def stream_of(lengths, order):
    make = {"causal": causal_order, "full": full_order}[order]
    seqs = [Seq({"token": np.zeros(n, np.int64)}, make(n)) for n in lengths]
    return pack([{"text": seqs}], {"text": StreamSpec()})["text"]


@pytest.mark.parametrize(("settings", "order"), KINDS)
@pytest.mark.parametrize("lengths", [(3, 7, 1, 7), (5,), (2, 2)])
def test_packed_sequences_equal_single_sequences(settings, order, lengths):
    backbone = backbone_of(settings)
    x = torch.randn(sum(lengths), 8, dtype=torch.float64)
    together = backbone(x, stream_of(lengths, order))
    alone = [backbone(part, stream_of([len(part)], order)) for part in x.split(lengths)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("settings", "order"), [k for k in KINDS if k[1] == "causal"])
def test_extending_several_sequences_equals_the_full_pass(settings, order):
    backbone = backbone_of(settings)
    lengths, cut = (6, 9, 4), (2, 5, 1)
    x = torch.randn(sum(lengths), 8, dtype=torch.float64)
    whole = backbone(x, stream_of(lengths, order)).split(lengths)
    parts = [(p[:c], p[c:]) for p, c in zip(x.split(lengths), cut, strict=True)]
    _, state = backbone.extend(torch.cat([a for a, _ in parts]), stream_of(cut, order), None)
    rest = [len(b) for _, b in parts]
    made, _ = backbone.extend(torch.cat([b for _, b in parts]), stream_of(rest, order), state)
    expected = torch.cat([w[c:] for w, c in zip(whole, cut, strict=True)])
    torch.testing.assert_close(made, expected, rtol=0, atol=1e-12)


def test_the_lstm_equals_torch():
    backbone = backbone_of({"name": "recurrent"})
    x = torch.randn(6, 8, dtype=torch.float64)
    expected, _ = backbone.cells(x)
    torch.testing.assert_close(backbone(x, stream_of([6], "causal")), backbone.norm(expected))


def test_a_causal_convolution_equals_torch_after_left_padding():
    backbone = backbone_of({"name": "convolutional", "reach": "causal", "kernel": 4})
    block = backbone.blocks[0]
    x = torch.randn(6, 8, dtype=torch.float64)
    conv = nn.Conv1d(8, 16, 4, bias=False).double()
    conv.weight.data = block.both.weight.detach().unflatten(1, (4, 8)).transpose(1, 2)
    normed = nn.functional.pad(block.norm(x).T[None], (3, 0))
    expected = x + block.out(nn.functional.glu(conv(normed)[0].T))
    stream = stream_of([6], "causal")
    from danlu.architectures.convolutional import neighbours

    torch.testing.assert_close(block(x, block.norm(x), neighbours(stream.sequence, backbone.offsets)), expected)


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("masked", {"name": "recurrent", "directions": "forward"}),
        ("causal", {"name": "recurrent", "directions": "both"}),
        ("masked", {"name": "convolutional", "reach": "causal"}),
    ],
)
def test_an_unsupported_objective_is_refused_with_a_message(objective, settings):
    with pytest.raises(WrongInput, match=f"{objective} needs an architecture with .*; {settings['name']} offers"):
        build_network(objectives.validate(objective), architectures.validate(settings), 12, 0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "recurrent", "directions": "both", "width": 7}, "must be even"),
        (
            {"name": "convolutional", "reach": "centred", "kernel": 4},
            "a centred kernel must be odd, not 4; set kernel to 5",
        ),
    ],
)
def test_incompatible_sizes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        architectures.validate(settings)
