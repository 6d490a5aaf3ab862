"""A bag or an average through a bottleneck: targets, losses and the figures of `judge`."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F
from toy_language import VOCABULARY, ToySamples, ToySource

from danlu.architectures import build_network
from danlu.objectives.autoencoder import Autoencoder, Average, Bag, random_vectors, top_k_recall
from danlu.packing import pack
from danlu.registry import architectures

pass

KINDS = pytest.mark.parametrize("of", ["bag", "average"])


def network_of(objective):
    settings = {"name": "recurrent", "directions": "both", "layers": 1, "width": 16, "context": 16}
    return build_network(objective, architectures.validate(settings), VOCABULARY.size, seed=0).double().eval()


def batch_of(objective, count=6):
    return pack([objective.example(ToySamples().draw(n)) for n in range(count)], objective.streams)


@given(st.integers(0, 60))
def test_a_bag_has_each_ordinary_token_of_the_text_once(n):
    for piece, seq in zip(
        ToySamples().draw(n).pieces(), Autoencoder().example(ToySamples().draw(n))["text"], strict=True
    ):
        labels = seq.labels["bag"]
        present = labels[labels >= 0]
        assert sorted(present) == sorted({*piece.tolist()} - VOCABULARY.special)
        assert (labels[labels >= 0] == piece[labels >= 0]).all()


def test_the_bag_loss_is_binary_cross_entropy_counted_per_token():
    objective = Autoencoder(code=4)
    model, batch = network_of(objective), batch_of(objective)
    text = batch["text"]
    made = objective.predict(model, model.head, text)
    expected = 0.0
    for row, ids in zip(made, text.inputs["token"].split(text.lengths), strict=True):
        present = torch.zeros(VOCABULARY.size, dtype=row.dtype)
        present[[int(i) for i in ids if int(i) not in VOCABULARY.special]] = 1
        expected += F.binary_cross_entropy_with_logits(row, present, reduction="sum") if present.any() else 0.0
    torch.testing.assert_close(model(batch)["bag"], torch.as_tensor(expected))
    tokens = [{*ids.tolist()} - VOCABULARY.special for ids in text.inputs["token"].split(text.lengths)]
    assert objective.count_targets(batch) == {"bag": sum(map(len, tokens))}


def test_the_average_loss_is_the_squared_distance_of_every_entry():
    objective = Autoencoder(of="average", code=4, size=5)
    model, batch = network_of(objective), batch_of(objective)
    wanted, made = batch["text"].sequence_labels["average"], objective.predict(model, model.head, batch["text"])
    assert objective.count_targets(batch) == {"average": wanted.numel()}
    torch.testing.assert_close(model(batch)["average"], (made - wanted).square().sum())


def test_averages_keep_the_inner_products_of_bags():
    """In expectation, and closely in 4096 dimensions."""
    one, other = np.array([4, 5, 6, 7]), np.array([6, 7, 8, 9])
    average = Average(4096)
    a, b = (average.make_labels(ids, VOCABULARY)["sequence_labels"]["average"] for ids in (one, other))
    assert a @ b / 4096 == pytest.approx(2 / 4, abs=0.1)
    assert a @ a / 4096 == pytest.approx(1, abs=0.1)


def test_fixed_vectors_are_the_same_in_every_run():
    first = random_vectors(12, 5).copy()
    random_vectors.cache_clear()
    np.random.seed(1)
    assert np.array_equal(random_vectors(12, 5), first)


@KINDS
def test_a_text_of_special_tokens_has_no_target(of):
    objective = Autoencoder(of=of, size=5)
    seq = objective.sequence(np.array([1, 2]), np.random.default_rng(0), VOCABULARY)
    batch = pack([{"text": [seq]}], objective.streams)
    assert objective.count_targets(batch) == {of: 0}
    assert float(network_of(objective)(batch)[of].detach()) == 0


@KINDS
def test_dropped_tokens_are_masked_in_the_input_and_kept_in_the_target(of):
    piece = np.arange(4, 12)
    objective = Autoencoder(of=of, size=5, drop=0.5)
    seq = objective.sequence(piece, np.random.default_rng(0), VOCABULARY)
    whole = objective.target.make_labels(piece, VOCABULARY)
    hidden = seq.inputs["token"] == VOCABULARY.mask
    assert 0 < hidden.sum() < len(piece)
    assert (seq.inputs["token"][~hidden] == piece[~hidden]).all()
    kept, expected = (seq.labels, whole["labels"]) if of == "bag" else (seq.sequence_labels, whole["sequence_labels"])
    assert np.array_equal(kept[of], expected[of])


def test_top_k_recall():
    present = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 1]])
    assert top_k_recall(present, present) == 1
    assert top_k_recall(torch.tensor([[3.0, 0, 2, 1], [0, 0, 0, 1]]), present) == pytest.approx(2 / 3)
    assert top_k_recall(1 - present, present) == 0


def test_figures_include_the_baselines_of_frequent_words_and_of_the_mean(tmp_path):
    objective = Autoencoder(code=4)
    text = batch_of(objective, 12)["text"]
    present = Bag().expected(torch.zeros(len(text), VOCABULARY.size), text)
    perfect = Bag().judge(present, present, ToySource(tmp_path))
    assert perfect["figures"]["words_found"] == 1 > perfect["figures"]["usual_words_found"]
    assert all(sample["given"] == sample["made"] for sample in perfect["samples"])
    averages = batch_of(Autoencoder(of="average", size=5), 12)["text"]
    wanted = averages.sequence_labels["average"]
    assert Average(5).judge(wanted, wanted, ToySource(tmp_path))["figures"]["variance_told"] == pytest.approx(1)
    mean = wanted[~wanted.isnan().any(1)].mean(0).expand_as(wanted)
    figures = Average(5).judge(mean, wanted, ToySource(tmp_path))["figures"]
    assert figures["variance_told"] == pytest.approx(0, abs=1e-6)


@KINDS
def test_a_model_is_judged_over_all_batches(of, tmp_path):
    objective = Autoencoder(of=of, code=4, size=5)
    model = network_of(objective)
    batches = [batch_of(objective, 4), pack([], objective.streams), batch_of(objective, 9)]
    with torch.no_grad():
        found = objective.judge(model, model.head, batches, ToySource(tmp_path))
        made = torch.cat([objective.predict(model, model.head, b["text"]) for b in batches]).float()
    wanted = torch.cat([objective.target.expected(made[:n], b["text"]) for b in batches for n in [len(b["text"])]])
    assert found == objective.target.judge(made, wanted, ToySource(tmp_path))
    assert objective.judge(model, model.head, [pack([], objective.streams)], ToySource(tmp_path)) == {}
