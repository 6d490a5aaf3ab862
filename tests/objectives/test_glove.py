"""GloVe: the co-occurrence table equals plain loops for any chunks and buckets, and the loss follows the paper."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
import torch
from toy_language import VOCABULARY, ToySource

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.objectives.glove import Glove
from danlu.objectives.word_vectors import cooccurrence as counting
from danlu.objectives.word_vectors.cooccurrence import Cells, cooccurrence, hash_keys
from danlu.packing import pack
from danlu.registry import architectures
from danlu.training.samples import RowSamples

BAG = architectures.validate({"name": "bag", "width": 8, "tied": True})


def plain_table(source, window):
    store, table = source.store("train"), Counter()
    for ids in map(store.document, range(store.documents)):
        words = [int(i) for i in ids if i not in VOCABULARY.special]
        for i, word in enumerate(words):
            for j, other in enumerate(words):
                if 0 < abs(i - j) <= window:
                    table[word, other] += 1 / abs(i - j)
    return table


def as_table(cells):
    return {(int(a), int(b)): float(x) for a, b, x in zip(cells.first, cells.second, cells.count, strict=True)}


@pytest.mark.parametrize("window", [1, 3])
def test_cells_equal_a_plain_count(window, tmp_path):
    source = ToySource(tmp_path)
    found = as_table(cooccurrence(source, window))
    assert found == pytest.approx(plain_table(source, window), rel=1e-6)
    assert all(found[a, b] == found[b, a] for a, b in found)


def test_chunks_and_buckets_change_only_the_order(tmp_path, monkeypatch):
    whole = as_table(cooccurrence(ToySource(tmp_path / "one"), 3))
    monkeypatch.setattr(counting, "CHUNK_TOKENS", 20)
    monkeypatch.setattr(counting, "BUCKET_PAIRS", 100)
    source = ToySource(tmp_path / "many")
    assert as_table(cooccurrence(source, 3)) == pytest.approx(whole, rel=1e-6)
    assert not list((source.folder / "cooccurrence-3").glob("spool*"))


def test_the_splits_are_a_partition_of_the_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "SPLIT_RANGES", {"validation": (0.0, 0.2), "test": (0.2, 0.4), "train": (0.4, 1.0)})
    source = ToySource(tmp_path)
    parts = [as_table(cooccurrence(source, 3, split)) for split in ("train", "validation", "test")]
    assert all(parts)
    assert sum(map(len, parts)) == len(parts[0] | parts[1] | parts[2])
    assert parts[0] | parts[1] | parts[2] == as_table(cooccurrence(source, 3))


def test_both_orders_of_a_pair_are_in_one_split(tmp_path, monkeypatch):
    """They have the same count, so a held-out cell would otherwise be in the training set."""
    monkeypatch.setattr(counting, "SPLIT_RANGES", {"validation": (0.0, 0.2), "test": (0.2, 0.4), "train": (0.4, 1.0)})
    source = ToySource(tmp_path)
    for split in ("train", "validation", "test"):
        cells = as_table(cooccurrence(source, 3, split))
        assert any(a != b for a, b in cells)
        assert {(b, a) for a, b in cells} == set(cells)


def test_the_hash_is_one_to_one():
    assert len(np.unique(hash_keys(np.arange(100_000)))) == 100_000


def test_a_text_too_small_for_held_out_cells_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "SPLIT_RANGES", {"validation": (0.0, 0.0), "test": (0.0, 0.0), "train": (0.0, 1.0)})
    with pytest.raises(WrongInput, match="too few co-occurring words for validation cells"):
        Glove().units(ToySource(tmp_path), "validation")


def test_the_loss_follows_the_paper():
    objective = Glove(most=10, power=0.5)
    model = build_network(objective, BAG, VOCABULARY.size, seed=0).double()
    with torch.no_grad():
        for p in model.parameters():
            p += torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()), dtype=p.dtype)
    cells = Cells(np.array([4, 5, 11]), np.array([6, 4, 11]), np.array([2.5, 40.0, 10.0], np.float32))
    rows = RowSamples([cells], 3, VOCABULARY, seed=0)
    found = float(model(pack([objective.example(rows.draw(0, 0.0))], objective.streams))["glove"].detach())
    words, parts, expected = model.embeddings["token"].weight.detach(), model.head, 0.0
    for a, b, x in zip(cells.first, cells.second, cells.count.tolist(), strict=True):
        score = words[a] @ parts.context.weight[b] + parts.bias.weight[a] + parts.context_bias.weight[b]
        expected += min(1, x / 10) ** 0.5 * (float(score.detach()) - math.log(x)) ** 2
    assert found == pytest.approx(expected, rel=1e-6)


def judged(counts, tmp_path):
    objective = Glove()
    model = build_network(objective, BAG, VOCABULARY.size, seed=0)
    rows = RowSamples([Cells(np.array([4, 5]), np.array([6, 4]), np.array(counts, np.float32))], 2, VOCABULARY, seed=0)
    batch = pack([objective.example(rows.draw(0, 0.0))], objective.streams)
    with torch.no_grad():
        return objective.judge(model, model.head, [batch], ToySource(tmp_path))


def test_constant_counts_have_no_explained_variance(tmp_path):
    """1 - error / 0 is minus infinity, which JSON cannot represent."""
    same = judged([1.5, 1.5], tmp_path)
    assert same["figures"] == {}
    json.dumps(same, allow_nan=False)
    assert judged([1.5, 2.5], tmp_path)["figures"]["explained_variance"] < 1
