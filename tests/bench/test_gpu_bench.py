"""The GPU benchmark at a tiny size on the CPU."""

from __future__ import annotations

import sys
from itertools import pairwise

import numpy as np
import pytest
import torch

from danlu.architectures.presets.gpt2 import Gpt2
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.precision import Machine

pytest.importorskip("transformers", reason="the peer")
from bench import gpu

TINY = gpu.Work(
    Gpt2(layers=1, width=16, heads=2, context=16),
    Vocabulary(size=32, bos=0, eos=0, pad=0, mask=None, special=frozenset({0})),
    batch_tokens=64,
    micro_batch_tokens=32,
    machine=Machine("cpu", "float32", 1),
)


class Here:
    """A worker in this process."""

    def call(self, function, *arguments):
        return function(*arguments)


def test_every_side_is_measured_in_every_round(capsys):
    found = gpu.measure(Here(), Here(), TINY, rounds=2, steps=2, compiled=False, product=64)
    assert list(found["rounds"]) == ["plain loop", "danlu", "danlu, short documents"]
    assert all(len(rates) == 2 and min(rates) > 0 for rates in found["rounds"].values())
    assert found["danlu_over_plain_loop"]["eager"] > 0
    gpu.print_rates(found)
    assert "tokens/s" in capsys.readouterr().out


def test_both_sides_have_the_same_model_size_and_token_count():
    ours, theirs = gpu.Danlu(TINY, compiled=False), gpu.PlainLoop(TINY, compiled=False)
    assert sum(p.numel() for p in ours.model.parameters()) == sum(p.numel() for p in theirs.parameters)
    assert ours.round(3).tokens == theirs.round(3).tokens == 3 * TINY.batch_tokens


def test_the_size_is_that_of_gpt2_small():
    with torch.device("meta"):
        model = gpu.build_network(gpu.Causal(), gpu.SHAPE, gpu.VOCABULARY.size, 0)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(124e6, rel=0.01)


@pytest.mark.parametrize("document", [None, 3, 8])
def test_units_are_one_context_of_text_however_it_is_cut(document):
    draws = gpu.RandomTokens(TINY, document)
    for n in range(20):
        pieces, longer = draws.pieces(n, 0), draws.pieces(n, 1)
        assert sum(map(len, pieces)) == TINY.shape.context
        assert [len(p) + 1 for p in pieces] == [len(p) for p in longer]
        assert all(p[-1] == q[0] for p, q in pairwise(longer))
        assert 0 not in np.concatenate(longer)
    assert (max(len(draws.pieces(n, 0)) for n in range(20)) > 1) == (document is not None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_it_exits_with_a_one_line_message(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["bench.gpu"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    printed = capsys.readouterr()
    assert (end.value.code, printed.out, printed.err.count("\n")) == (2, "", 1)
    assert "no CUDA device" in printed.err
