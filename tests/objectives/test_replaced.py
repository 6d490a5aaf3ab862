"""Replaced-token detection: which tokens are inserted, what counts as replaced, and where gradients flow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from toy_language import VOCABULARY, ToySamples, ToySource

from danlu.architectures import build_network
from danlu.objective import LogitsFrom
from danlu.objectives.replaced import GeneratorSize, Replaced, sample_tokens
from danlu.objectives.sentences.detection import DetectionCounts, render_blanks, render_marks
from danlu.packing import pack
from danlu.registry import architectures
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import UnitSample

pass

WIDE = Vocabulary(size=1004, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))
HALF = Replaced(rate=0.4, generator=GeneratorSize(width=0.5))
RANDOM = Replaced(rate=0.4, generator=None)
SMALL = {"layers": 2, "width": 32, "heads": 4, "ffn_dim": 48, "context": 16}


def network(objective=HALF, name="electra", **settings):
    chosen = architectures.validate({"name": name, **SMALL, **settings})
    made = build_network(objective, chosen, VOCABULARY.size, seed=0).double()
    noise = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.3 * torch.randn(p.shape, generator=noise, dtype=p.dtype)
    return made.eval()


def batch_of(objective, units=12):
    return pack([objective.example(ToySamples().draw(n)) for n in range(units)], objective.streams)


def sequences(objective, pieces, n=0):
    return objective.example(UnitSample(5, n, 0.0, WIDE, lambda overlap: pieces))["text"]


units = st.lists(st.lists(st.integers(0, 1003), min_size=1, max_size=12).map(np.array), min_size=1, max_size=4)


@given(units, st.integers(0, 99), st.sampled_from([HALF, RANDOM]))
def test_exactly_the_ordinary_tokens_are_detection_targets(pieces, n, objective):
    for piece, seq in zip(pieces, sequences(objective, pieces, n), strict=True):
        assert np.array_equal(seq.labels["replaced"] >= 0, WIDE.ordinary(piece))
        assert np.array_equal(seq.inputs["original"], piece)
        special = ~WIDE.ordinary(piece)
        assert np.array_equal(seq.inputs["token"][special], piece[special])


@given(units, st.integers(0, 99))
def test_masked_positions_are_the_candidates_for_replacement(pieces, n):
    for piece, seq in zip(pieces, sequences(HALF, pieces, n), strict=True):
        hidden = seq.labels["masked"] >= 0
        assert np.array_equal(hidden, seq.labels["replaced"] == 1)
        assert (seq.inputs["token"][hidden] == WIDE.mask).all()
        assert np.array_equal(seq.labels["masked"][hidden], piece[hidden])
        assert ((seq.inputs["uniform"] >= 0) & (seq.inputs["uniform"] < 1)).all()


def test_without_a_generator_tokens_are_random_and_equal_ones_count_as_original():
    piece = np.full(40_000, 7)
    (seq,) = sequences(RANDOM, [piece])
    assert np.array_equal(seq.labels["replaced"] == 1, seq.inputs["token"] != 7)
    assert abs((seq.labels["replaced"] == 1).mean() - 0.4 * 999 / 1000) < 0.02
    assert WIDE.ordinary(seq.inputs["token"]).all()
    assert "masked" not in seq.labels
    assert (RANDOM.terms, RANDOM.logits_from) == (("replaced",), LogitsFrom.NOTHING)
    assert {n.split(".")[0] for n, _ in network(RANDOM, embedding_width=8).named_parameters()} == {
        "backbone",
        "embeddings",
        "head",
    }


@given(st.integers(1, 30), st.integers(0, 5))
def test_sampling_inverts_the_cumulative_distribution(size, seed):
    rng = np.random.default_rng(seed)
    logits, uniform = torch.from_numpy(rng.normal(size=(6, size)) * 3), torch.from_numpy(rng.random(6))
    for row, u, token in zip(logits.softmax(-1), uniform, sample_tokens(logits, uniform), strict=True):
        before = float(row[:token].sum())
        assert before - 1e-12 <= u <= before + float(row[token]) + 1e-12


def test_samples_follow_their_probabilities_and_impossible_tokens_are_never_drawn():
    logits = torch.tensor([0.5, float("-inf"), 0.2, 0.3, float("-inf")]).log().nan_to_num(nan=float("-inf"))
    uniform = torch.from_numpy(np.random.default_rng(0).random(20_000))
    drawn = sample_tokens(logits.expand(20_000, -1), uniform).bincount(minlength=5) / 20_000
    assert drawn[[1, 4]].tolist() == [0, 0]
    torch.testing.assert_close(drawn[[0, 2, 3]], torch.tensor([0.5, 0.2, 0.3]), rtol=0, atol=0.02)
    edges = sample_tokens(logits.expand(2, -1), torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64))
    assert edges.tolist() == [0, 3]


def test_a_restored_token_counts_as_original():
    """With a generator that always restores there is nothing to detect; with one that never does, every hidden
    token."""
    model, batch = network(), batch_of(HALF)
    text = batch["text"]
    hidden, ordinary = text.labels["masked"] >= 0, text.labels["replaced"] >= 0

    @torch.no_grad()
    def loss_when(tokens):
        logit = model.head.detector(model.hidden(text, token=tokens)[ordinary])
        truth = (tokens != text.inputs["original"])[ordinary].double()
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logit, truth, reduction="sum"))

    for shift in (0, 1):
        wanted = (text.inputs["original"][hidden] - 4 + shift) % 8 + 4

        def certain(predictions, logits_from, wanted=wanted):
            return 1e9 * torch.nn.functional.one_hot(wanted, VOCABULARY.size).double()

        model.token_logits = certain
        with torch.no_grad():
            found = float(model(batch)["replaced"])
        tokens = text.inputs["original"].masked_scatter(hidden, wanted)
        assert found == pytest.approx(loss_when(tokens))
        assert bool((tokens != text.inputs["original"]).any()) == bool(shift)


def test_sampling_has_no_gradient():
    """The detector's loss reaches only the shared embeddings of the generator; the generator's loss reaches neither the
    large backbone nor the detector."""
    model, batch = network(embedding_width=8), batch_of(HALF)
    reached = {}
    for term in HALF.terms:
        model.zero_grad()
        model(batch)[term].backward()
        moved = {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        reached[term] = {".".join(n.split(".")[:2]) for n in moved}
    assert "head.generator" not in reached["replaced"]
    assert {"backbone.blocks", "head.detector", "embeddings.token"} <= reached["replaced"]
    assert "output_bias" not in reached["replaced"]
    assert not {n for n in reached["masked"] if n.startswith("backbone") or n == "head.detector"}
    assert {"head.generator", "embeddings.token", "output_bias"} <= reached["masked"]


def test_counts_are_known_before_the_model_runs():
    batch = batch_of(HALF)
    found = HALF.count_targets(batch)
    assert found["replaced"] == int((batch["text"].inputs["original"] >= 4).sum())
    assert found["masked"] == int((batch["text"].inputs["token"] == VOCABULARY.mask).sum()) > 0


def test_default_term_weights_follow_the_paper():
    assert Replaced().term_weights(1.0) == {"masked": 1.0, "replaced": 50.0}
    assert Replaced(replaced_weight=10).term_weights(1.0)["replaced"] == 10


@pytest.mark.parametrize(
    ("name", "settings", "width"),
    [
        ("electra", {"embedding_width": 12}, 8),
        ("transformer", {}, 8),
        ("recurrent", {"directions": "both", "layers": 2}, 8),
        ("hybrid", {"reach": "full", "heads": 2}, 8),
    ],
)
def test_the_generator_is_smaller_and_shares_the_embeddings(name, settings, width):
    shape = {"recurrent": {"heads": None, "ffn_dim": None}}.get(name, {})
    given = {k: v for k, v in ({**SMALL, **shape, **settings}).items() if v is not None}
    chosen = architectures.validate({"name": name, **given})
    model = build_network(Replaced(generator=GeneratorSize(width=0.25, layers=0.5)), chosen, VOCABULARY.size, 0)
    assert model.head.generator.backbone.width == width
    inside = {n.split(".")[-2] for n, _ in model.head.generator.named_parameters()}
    assert "embedding_map" in inside
    assert not any("embeddings" in n for n, _ in model.head.named_parameters())


def test_figures_count_detections_and_the_base_rate(tmp_path):
    model, batches = network(), [batch_of(HALF, 6), batch_of(HALF, 12)]
    with torch.no_grad():
        text = batches[1]["text"]
        model.head.detector.out.bias -= model.head.detector(
            model.hidden(text)
        ).median()  # flags about half of the tokens
        judged: dict[str, Any] = HALF.judge(model, model.head, batches, ToySource(tmp_path))
    truth, suspected, hidden = [], [], 0
    for batch in batches:
        text = batch["text"]
        with torch.no_grad():
            tokens, _ = HALF.corrupt(model, model.head, text)
            found = model.head.detector(model.hidden(text, token=tokens)) > 0
        at = text.labels["replaced"] >= 0
        truth += (tokens != text.inputs["original"])[at].tolist()
        suspected += found[at].tolist()
        hidden += int((text.labels["masked"] >= 0).sum())
    both, n = sum(t and s for t, s in zip(truth, suspected, strict=True)), len(truth)
    expected = {
        "accuracy": sum(t == s for t, s in zip(truth, suspected, strict=True)) / n,
        "accuracy_suspecting_none": 1 - sum(truth) / n,
        "precision": both / sum(suspected),
        "recall": both / sum(truth),
        "base_rate": sum(truth) / n,
        "restored_by_generator": 1 - sum(truth) / hidden,
    }
    assert judged["figures"] == pytest.approx(expected)
    assert len(judged["samples"]) == 2
    assert all("___" in s["given"] and "[" in s["made"] for s in judged["samples"])


def test_figures_without_a_denominator_are_left_out():
    found = DetectionCounts()
    found.add(torch.tensor([False, False]), torch.tensor([False, False]))
    assert found.figures() == {"accuracy": 1.0, "accuracy_suspecting_none": 1.0, "base_rate": 0.0}


def test_samples_mark_replaced_and_suspected_tokens():
    tokens, yes = np.array([4, 5, 6, 7]), np.array([False, True, False, False])
    doubted = np.array([False, True, True, False])

    def decode(ids):
        return "".join(f" {chr(93 + i)}" for i in ids)

    assert render_blanks(tokens, yes, decode) == " a___ c d"
    assert render_marks(tokens, yes, doubted, decode) == " a [b]? c? d"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"rate": 1.0}, "less than 1"),
        ({"generator": {"width": 0}}, "greater than 0"),
        ({"generator": {"width": 1.5}}, "less than or equal to 1"),
        ({"generator": {"widht": 0.5}}, "did you mean 'width'"),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Replaced.model_validate(settings)
