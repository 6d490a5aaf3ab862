"""Exact and near duplicates."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.text.duplicates import Representatives
from danlu.text.near_duplicates import bands, jaccard, near_duplicate_groups, shingles
from danlu.text.normal_form import normal_form, representatives

VARIANTS = st.lists(st.text(alphabet="abAB \n\u3000Ａｂ", max_size=3), max_size=30)


@given(VARIANTS)
def test_the_representative_of_a_normal_form_does_not_depend_on_order(texts):
    with Representatives() as seen:
        accepted = [seen.offer(t) for t in texts]
        kept = [t for t, is_new in zip(texts, accepted, strict=True) if is_new and seen.represents(t)]
        assert seen.superseded == sum(accepted) - len(kept)
        assert seen.forms == len(kept)
    assert len({normal_form(t) for t in kept}) == len(kept)
    assert set(kept) == set(representatives(texts).values()) == set(representatives(texts[::-1]).values())


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("Hello World", "hello  world\n"),
        ("Straße", "STRASSE"),
        ("Ａ１，", "a1,"),
        ("caf\u00e9", "CAFE\u0301"),
        ("一　二", "一 二"),
        ("ﬁn", "FIN"),
    ],
)
def test_variants_have_one_normal_form(text, variant):
    assert normal_form(text) == normal_form(variant)


def test_different_texts_have_different_normal_forms():
    assert len({normal_form(t) for t in ("a b", "ab", "a-b", "à b", "简体", "簡體")}) == 6


@given(st.text())
def test_normal_form_is_idempotent(text):
    assert normal_form(normal_form(text)) == normal_form(text)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_fast_path_for_ascii_equals_the_general_one(text):
    assert normal_form(text) == normal_form(f"{text} é").removesuffix("é").rstrip()


def variants(letters: str) -> list[str]:
    """Six times an original, a copy with one change, a copy with other white space, and an unrelated text."""
    draw = random.Random(1)
    texts = []
    for _ in range(6):
        words = ["".join(draw.choices(letters, k=8)) for _ in range(50)]
        changed = [*words[:20], letters[0] * 8, *words[21:]]
        texts += [" ".join(words), " ".join(changed), "\n  ".join(words), "".join(draw.choices(letters, k=400))]
    return texts


@pytest.mark.parametrize("letters", ["abcdefghijklmnopqrstuvwxyz", "丹炉火山云药水金木土日月人心手口"])
def test_near_duplicates_are_grouped_and_unrelated_texts_are_not(letters):
    groups = near_duplicate_groups(variants(letters))
    assert groups.tolist() == [g for k in range(0, 24, 4) for g in (k, k, k, k + 3)]


def test_equal_texts_of_any_length_are_grouped():
    assert near_duplicate_groups(["短", "短 ", "长", "", " "]).tolist() == [0, 0, 2, 3, 3]
    assert near_duplicate_groups([]).tolist() == []
    with pytest.raises(ValueError, match="threshold"):
        near_duplicate_groups(["a"], 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(alphabet="ab", min_size=3, max_size=12), max_size=12), st.sampled_from([0.5, 0.8, 1.0]))
def test_groups_are_connected_components_of_similar_texts(texts, threshold):
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
