"""Exact and near duplicates."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.text.duplicates import SeenTexts
from danlu.text.near_duplicates import bands, jaccard, near_duplicate_groups, shingles


@given(st.lists(st.text(alphabet="ab \n\u3000", max_size=4)))
def test_exact_duplicates_are_equal_words(texts):
    with SeenTexts() as seen:
        new = [seen.add(t) for t in texts]
    words = [tuple(t.split()) for t in texts]
    assert new == [w not in words[:i] for i, w in enumerate(words)]


def variants(letters: str) -> list[str]:
    """Six times an original, a copy with one change, a copy with other white space, and a stranger."""
    draw = random.Random(1)
    texts = []
    for _ in range(6):
        words = ["".join(draw.choices(letters, k=8)) for _ in range(50)]
        changed = [*words[:20], letters[0] * 8, *words[21:]]
        texts += [" ".join(words), " ".join(changed), "\n  ".join(words), "".join(draw.choices(letters, k=400))]
    return texts


@pytest.mark.parametrize("letters", ["abcdefghijklmnopqrstuvwxyz", "丹炉火山云药水金木土日月人心手口"])
def test_near_duplicates_are_grouped_and_strangers_are_not(letters):
    groups = near_duplicate_groups(variants(letters))
    assert groups.tolist() == [g for k in range(0, 24, 4) for g in (k, k, k, k + 3)]


def test_equal_texts_whatever_their_length_are_one_group():
    assert near_duplicate_groups(["短", "短 ", "长", "", " "]).tolist() == [0, 0, 2, 3, 3]
    assert near_duplicate_groups([]).tolist() == []
    with pytest.raises(ValueError, match="threshold"):
        near_duplicate_groups(["a"], 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="ab", min_size=3, max_size=12), max_size=12), st.sampled_from([0.5, 0.8, 1.0]))
def test_groups_are_chains_of_similar_texts(texts, threshold):
    groups = near_duplicate_groups(texts, threshold)
    sets = [shingles(t) for t in texts]
    for i, group in enumerate(groups):
        others = np.flatnonzero(groups == group)
        assert group == others[0]
        if len(others) > 1:
            assert any(j != i and jaccard(sets[i], sets[j]) >= threshold for j in others)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.9, 1.0])
def test_bands_find_pairs_at_the_threshold(threshold):
    rows = 128 // bands(threshold)
    assert 1 - (1 - threshold**rows) ** bands(threshold) >= 0.995
