"""A sentence goes through one vector: what the decoder sees, what is dropped, and the figures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_language import VOCABULARY, ToySamples, ToySource, sentence

from danlu.architectures import build_network
from danlu.batch import Memory, Seq, Stream, StreamSpec, full_order
from danlu.objectives.reconstruct import Reconstruct, build_stream, drop_tokens, single_position_stream
from danlu.objectives.seq2seq.greedy_decoding import decode_greedily
from danlu.packing import pack
from danlu.registry import architectures
from danlu.training.optimizers import AdamW
from danlu.training.precision import Machine
from danlu.training.samples import UnitSample
from danlu.training.step import accumulate, micro_batches

MACHINE = Machine("cpu", "float32", 1)


def network_of(objective, width=16):
    settings = {"name": "recurrent", "cell": "gru", "directions": "both", "layers": 1, "width": width, "context": 16}
    return build_network(objective, architectures.validate(settings), VOCABULARY.size, seed=0)


@given(st.integers(0, 60), st.sampled_from([0.0, 0.6, 0.9]))
def test_the_source_is_the_target_sentence_without_dropped_tokens(n, drop):
    objective = Reconstruct(longest=5, drop=drop)
    example = objective.example(ToySamples().draw(n))
    targets = []
    for source, target in zip(example["source"], example["target"], strict=True):
        labels = target.labels["rebuilt"]
        assert labels[-1] == VOCABULARY.eos
        assert target.inputs["token"].tolist() == [VOCABULARY.bos, *labels[:-1]]
        assert 1 <= len(source.key) <= len(labels) - 1 <= 5
        left = iter(labels[:-1].tolist())
        assert all(token in left for token in source.inputs["token"].tolist())  # in this order
        if not drop:
            assert source.inputs["token"].tolist() == labels[:-1].tolist()
        targets += labels[:-1].tolist()
    pieces = ToySamples().draw(n).pieces()
    assert targets == [t for piece in pieces for t in piece.tolist() if VOCABULARY.ordinary(np.array(t))]


def test_sentences_end_at_their_boundaries():
    piece, flags = np.arange(4, 12), np.array([3, 1, 1, 2, 0, 3, 0, 0], np.uint8)
    draw = UnitSample(0, 0, 0.0, VOCABULARY, lambda overlap: [piece], lambda overlap: [flags])
    assert [ids.tolist() for ids in Reconstruct(longest=4).sentences(draw)] == [[4, 5, 6], [7, 8], [9, 10, 11]]
    assert [len(ids) for ids in Reconstruct(longest=2).sentences(draw)] == [2, 1, 2, 2, 1]


def test_a_sentence_with_its_end_token_fits_the_window():
    """A decoder with learned positions has one for each token of the window and none beyond."""
    piece = np.arange(4, 12)
    draw = UnitSample(0, 0, 0.0, VOCABULARY, lambda overlap: [piece], lambda overlap: [np.full(8, 0, np.uint8)])
    assert [len(ids) for ids in Reconstruct(longest=32).sentences(draw)] == [7, 1]


def test_tokens_are_dropped_at_the_configured_rate():
    rng = np.random.default_rng(0)
    lengths = [len(drop_tokens(np.arange(100), 0.6, rng)) for _ in range(200)]
    assert np.mean(lengths) == pytest.approx(40, abs=1)
    assert all(len(drop_tokens(np.arange(1), 0.99, rng)) == 1 for _ in range(50))


def test_the_decoder_sees_only_the_code_of_the_sentence():
    objective = Reconstruct(longest=6, code=3)
    model = network_of(objective).double().eval()
    batch = pack([objective.example(ToySamples().draw(n)) for n in range(3)], objective.streams)
    codes = objective.codes(model, model.head, batch["source"])
    assert codes.shape == (len(batch["source"]), 3)
    torch.testing.assert_close(codes.mean(1), torch.zeros(len(codes), dtype=codes.dtype), rtol=0, atol=1e-6)
    memory = objective.memory(model.head, codes)
    assert memory.stream.lengths == (1,) * len(codes)
    targets = model.decode(batch["target"], memory)
    expected = model.token_loss(targets, batch["target"].labels["rebuilt"])
    torch.testing.assert_close(objective.losses(model, model.head, batch)["rebuilt"], expected)
    moved = Memory(memory.hidden.index_fill(0, torch.tensor([0]), 1.0), memory.stream)
    changed = (model.decode(batch["target"], moved) - targets).abs().amax(1) > 0
    assert torch.equal(changed, batch["target"].sequence == 0)


@pytest.mark.parametrize("code", [1, 2])
def test_codes_of_fewer_than_three_entries_are_refused(code):
    """With mean 0 and variance 1, one entry is always 0, and two are (1, -1) or (-1, 1)."""
    with pytest.raises(ValidationError, match="greater than or equal to 3"):
        Reconstruct(code=code)


def test_one_position_each_equals_packing():
    made = single_position_stream(3, torch.device("cpu"))
    seqs = [Seq({"token": np.array([5])}, full_order(1)) for _ in range(3)]
    packed = pack([{"text": [s]} for s in seqs], {"text": StreamSpec()})["text"]
    assert isinstance(made, Stream)
    assert made.lengths == packed.lengths
    for name in ("key", "query", "offsets", "group"):
        assert torch.equal(getattr(made, name), getattr(packed, name)), name
    assert torch.equal(made.inputs["position"], packed.inputs["position"])


def test_greedy_decoding_takes_the_most_likely_ordinary_token():
    objective = Reconstruct(longest=6)
    model = network_of(objective).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.5 * torch.randn(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(p.numel()))
    codes = objective.codes(model, model.head, build_stream([sentence(k, 4) for k in range(5)], torch.device("cpu")))
    memory = objective.memory(model.head, codes)
    made = decode_greedily(model, memory, VOCABULARY, 7)
    forbidden = sorted(VOCABULARY.special - {VOCABULARY.eos})
    for k, ids in enumerate(made):
        alone = objective.memory(model.head, codes[k : k + 1])
        ids_so_far = [VOCABULARY.bos]
        while len(ids_so_far) <= 7:
            stream = pack(
                [{"text": [Seq({"token": np.array(ids_so_far)}, np.arange(len(ids_so_far)))]}], {"text": StreamSpec()}
            )["text"]
            logits = model.token_logits(model.decode(stream, alone)[-1])
            logits[forbidden] = -torch.inf
            ids_so_far.append(int(logits.argmax()))
            if ids_so_far[-1] == VOCABULARY.eos:
                break
        assert ids.tolist() == [t for t in ids_so_far[1:] if t != VOCABULARY.eos]
    assert len({tuple(ids.tolist()) for ids in made}) > 1


def trained(objective, steps=150):
    model = network_of(objective, width=32)
    optimizer = AdamW(learning_rate=1e-2).build(model, MACHINE)[0]
    for step in range(steps):
        batches = micro_batches(objective, ToySamples(), 12 * step, 12, 12, 0.0)
        with torch.enable_grad():
            accumulate(model, objective, batches, MACHINE, seed=step)
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_trained_model_beats_the_next_sentence_baseline(tmp_path):
    objective = Reconstruct(longest=6)
    held_out = micro_batches(objective, ToySamples(seed=9), 0, 20, 20, 1.0)
    with torch.no_grad():
        model = trained(objective)
        found = objective.judge(model, model.head, held_out, ToySource(tmp_path))
        fresh = network_of(objective, width=32).eval()
        unlearnt = objective.judge(fresh, fresh.head, held_out, ToySource(tmp_path))
    figures = found["figures"]
    assert figures["exact_match"] > 0.5 > unlearnt["figures"]["exact_match"]
    assert figures["chrf"] > figures["chrf_of_the_next_sentence"] + 20
    assert figures["code_cosine"] > figures["code_cosine_of_the_next_sentence"] + 0.2
    assert {*found["samples"][0]} == {"given", "made"}


def test_an_empty_batch_has_no_figures(tmp_path):
    objective = Reconstruct()
    model = network_of(objective)
    assert objective.judge(model, model.head, [pack([], objective.streams)], ToySource(tmp_path)) == {}


def test_decoding_stays_within_learned_positions(tmp_path):
    objective = Reconstruct(longest=32)
    settings = {"name": "bart", "layers": 1, "width": 16, "heads": 2, "ffn_dim": 32, "context": 16}
    model = build_network(objective, architectures.validate(settings), VOCABULARY.size, seed=0).eval()
    held_out = micro_batches(objective, ToySamples(seed=9), 0, 6, 6, 1.0)
    with torch.no_grad():
        found = objective.judge(model, model.head, held_out, ToySource(tmp_path))
    assert 0 <= found["figures"]["exact_match"] <= 1
