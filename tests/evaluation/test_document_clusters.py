"""Clusters of documents: sizes, typical documents and distinctive words."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from danlu.errors import WrongInput
from danlu.evaluation.document_clusters import content_words, distinctive_words, document_clusters
from danlu.evaluation.neighbours import nearest_tokens

TEXTS = ["the furnace burns wood"] * 6 + ["the river carries boats"] * 3 + ["the furnace burns coal"]


def vectors():
    rng = np.random.default_rng(0)
    direction = np.array([[1.0, 0, 5], [0, 1, 5]])[[0] * 6 + [1] * 3 + [0]]
    return direction + rng.normal(0, 0.01, direction.shape)


def test_clusters_are_sorted_by_size_with_their_distinctive_words():
    first, second = document_clusters(vectors(), TEXTS, 2)
    assert (first.size, second.size) == (7, 3)
    assert {word for word, _ in first.words[:2]} == {"furnace", "burns"}
    assert {word for word, _ in second.words} == {"river", "carries", "boats"}
    assert set(second.typical) == {6, 7, 8}
    assert document_clusters(vectors(), TEXTS, 2) == [first, second]


def test_a_word_common_to_all_clusters_is_not_distinctive():
    everywhere = Counter({"common": 100, "rare": 10})
    found = dict(distinctive_words(Counter({"common": 50, "rare": 10}), everywhere, 5))
    assert "common" not in found
    assert found["rare"] > 0


def test_content_words_exclude_punctuation_numbers_and_stop_words():
    assert content_words("The furnace, 12 times: Furnace of an ox") == {"furnace": 2, "times": 1}


def test_more_clusters_than_documents_are_refused():
    with pytest.raises(WrongInput, match="10 documents cannot form 11 clusters"):
        document_clusters(vectors(), TEXTS, 11)


def test_neighbours_have_the_largest_cosine():
    import torch

    class Model:
        embeddings = torch.nn.ModuleDict({"token": torch.nn.Embedding(5, 2)})

    Model.embeddings["token"].weight.data = torch.tensor([[1, 0], [9, 1.0], [0, 1], [-1, 0], [1, 1]])
    found = nearest_tokens(Model, np.array([0]), np.array([0, 1, 2, 3]), 2)
    assert [i for i, _ in found] == [1, 2]
    assert found[0][1] == pytest.approx(9 / 82**0.5)
