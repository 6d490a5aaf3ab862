"""Pseudo-labels: aligned with their tokens, computed once, reproducible; a second round uses the first model as
teacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_recipe import write_tiny_recipe
from toy_language import VOCABULARY, ToySource

import danlu
from danlu.architectures import build_network
from danlu.batch import Seq, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.objectives.clusters import Clusters
from danlu.objectives.masked_tokens import pseudo_labels as labels_module
from danlu.objectives.masked_tokens.pseudo_labels import NO_CLUSTER, k_means, pseudo_labels, split_tokens
from danlu.packing import pack
from danlu.registry import architectures, objectives
from danlu.training.samples import RowSamples


class SourceWithTeacher(ToySource):
    """The toy language with an earlier model."""

    def model(self, name):
        assert name == "first"
        settings = {"name": "transformer", "layers": 1, "width": 16, "heads": 2, "context": 16}
        model = build_network(objectives.validate("masked"), architectures.validate(settings), VOCABULARY.size, 0)
        noise = torch.Generator().manual_seed(1)
        with torch.no_grad():
            for p in model.parameters():
                p += 0.3 * torch.randn(p.shape, generator=noise)
        return model.eval()


@pytest.mark.parametrize("split", ["train", "test"])
def test_without_a_teacher_a_cluster_is_a_set_of_tokens(split, tmp_path):
    source = ToySource(tmp_path)
    found = np.array(pseudo_labels(source, None, 4, 12, split))
    tokens = split_tokens(source.store(split))
    assert len(found) == len(tokens)
    assert np.array_equal(found == NO_CLUSTER, ~VOCABULARY.ordinary(tokens))
    assert all(len(set(found[tokens == token].tolist())) == 1 for token in range(4, 12))
    assert 1 < len(set(found[found != NO_CLUSTER].tolist())) <= 4


def test_a_teacher_clusters_occurrences_rather_than_tokens(tmp_path):
    source = SourceWithTeacher(tmp_path)
    found = np.array(pseudo_labels(source, "first", 6, 12, "train"))
    tokens = split_tokens(source.store("train"))
    assert np.array_equal(found == NO_CLUSTER, ~VOCABULARY.ordinary(tokens))
    assert any(len(set(found[tokens == token].tolist())) > 1 for token in range(4, 12))
    teacher, states = source.model("first"), []
    for start in range(0, len(tokens), 12):
        pieces = source.store("train").pieces(start, min(start + 12, len(tokens)))
        for piece in pieces:
            stream = pack([{"text": [Seq({"token": piece}, full_order(len(piece)))]}], {"text": StreamSpec()})["text"]
            with torch.no_grad():
                states.append(teacher.hidden(stream).numpy())
    points, text = np.concatenate(states), VOCABULARY.ordinary(tokens)
    expected = k_means(points[text], 6).predict(points[text])
    assert (expected == found[text]).mean() > 0.99


def test_labels_are_computed_once_and_are_reproducible(tmp_path, monkeypatch):
    first = np.array(pseudo_labels(SourceWithTeacher(tmp_path / "a"), "first", 6, 12, "train"))
    again = np.array(pseudo_labels(SourceWithTeacher(tmp_path / "b"), "first", 6, 12, "train"))
    assert np.array_equal(first, again)
    monkeypatch.setattr(labels_module, "labels_by_teacher", None)
    assert np.array_equal(np.array(pseudo_labels(SourceWithTeacher(tmp_path / "a"), "first", 6, 12, "train")), first)


def test_targets_are_the_stored_labels_of_hidden_tokens(tmp_path):
    source, objective = ToySource(tmp_path), Clusters(k=4, unit_tokens=12)
    made = objective.units(source, "train")
    stored = np.array(pseudo_labels(source, None, 4, 12, "train"))
    draws, at = RowSamples(made.rows, made.tokens_per_unit, VOCABULARY, 0, shuffled=False), 0
    for n in range(draws.units):
        for seq in objective.example(draws.draw(n, 0.0))["text"]:
            label, hidden = seq.labels["cluster"], seq.inputs["token"] == VOCABULARY.mask
            assert np.array_equal(label >= 0, hidden)
            assert np.array_equal(label[hidden], stored[at : at + len(label)][hidden])
            at += len(label)
    assert at == len(stored)


TWO_ROUNDS = [
    "models.second.architecture={name: transformer, layers: 1, width: 16, heads: 2, context: 16, activation: relu2}",
    "models.second.objective={name: clusters, k: 5, teacher: small, unit_tokens: 16}",
    "models.second.training={budget: 3 steps, batch_tokens: 64, validations: 1, validation_tokens: 64}",
    "models.small.objective={name: clusters, k: 5, unit_tokens: 16}",
    "models.small.prompts=[]",
]


def test_a_recipe_can_train_two_rounds(tmp_path):
    results = danlu.run(write_tiny_recipe(tmp_path), TWO_ROUNDS, out=tmp_path / "run")
    for model in results["pretrain"]:
        figures = model["judged"]["figures"]
        assert 0 <= figures["accuracy"] <= 1
        assert figures["token_information"] > figures["token_information_shuffled"]
        assert model["judged"]["samples"][0]["given"].startswith("cluster ")
        assert all(t is None or t.isdigit() for t in model["example"][0]["targets"])
    shown = danlu.show(write_tiny_recipe(tmp_path), TWO_ROUNDS)
    assert set(shown["models"]) == {"small", "second"}


def test_a_teacher_must_come_earlier_in_the_recipe(tmp_path):
    overrides = [*TWO_ROUNDS[:-2], "models.small.objective={name: clusters, k: 5, teacher: second, unit_tokens: 16}"]
    with pytest.raises(WrongInput, match=r"teacher: 'second' is not an earlier model; small is the first model"):
        danlu.run(write_tiny_recipe(tmp_path), [*overrides, "models.small.prompts=[]"], out=tmp_path / "run")


def test_units_longer_than_the_context_are_refused(tmp_path):
    with pytest.raises(WrongInput, match=r"objective.unit_tokens 17 exceeds architecture.context 16"):
        danlu.run(write_tiny_recipe(tmp_path), ["models.small.objective={name: clusters, unit_tokens: 17}"])


def test_units_longer_than_the_teachers_context_are_refused(tmp_path):
    overrides = [*TWO_ROUNDS[:1], "models.second.architecture.context=32", *TWO_ROUNDS[1:]]
    overrides += ["models.second.objective={name: clusters, k: 5, teacher: small, unit_tokens: 32}"]
    with pytest.raises(WrongInput, match="unit_tokens 32 exceeds the context of the teacher 'small'"):
        danlu.run(write_tiny_recipe(tmp_path), overrides, out=tmp_path / "run")
