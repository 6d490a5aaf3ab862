"""Sentence order prediction: neighbouring spans of whole sentences of one document, in order or swapped."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_store import Documents, chinese, english

from danlu.objectives.sentence_order import SentenceOrder, draw_neighbours
from danlu.objectives.sentences.sentence_spans import Text

ALONE = SentenceOrder.model_validate({"masked": False})


def found(made, count):
    return [
        (*made.sides(s.inputs["token"]), s.sequence_labels["order"])
        for e in made.examples(ALONE, count)
        for s in e["text"]
    ]


@pytest.mark.parametrize(("sentences", "gap"), [(english, " "), (chinese, "")], ids=["english", "chinese"])
def test_pairs_are_neighbouring_whole_sentences_in_either_order(tmp_path, sentences, gap):
    made = Documents(tmp_path, [gap.join(sentences(d, (2, 3, 6, 13)[d % 4])) for d in range(20)])
    labels = []
    for a, b, label in found(made, 300):
        whole = a + b if label else b + a
        (document,) = made.of(whole)
        at = made.texts[document].index(whole)
        assert made.texts[document][:at].rstrip()[-1:] in ("", ".", "。")
        assert whole.rstrip()[-1] in ".。"
        assert a.strip()[-1] in ".。"
        labels.append(label)
    assert abs(np.mean(labels) - 0.5) < 5 * 0.5 / len(labels) ** 0.5


def test_sentences_cut_by_a_window_are_in_no_pair(tmp_path):
    """A truncated sentence would reveal which side comes first."""
    made = Documents(tmp_path, [" ".join(english(d, 40)) for d in range(3)], context=50)
    sides = [side for a, b, _ in found(made, made.samples.units) for side in (a, b)]
    assert len(sides) > 20
    assert all(side.strip().startswith("The ") and side.strip().endswith(".") for side in sides)


@pytest.mark.parametrize("end", ["", "\n"], ids=["bare", "line"])
def test_white_space_does_not_reveal_the_order(tmp_path, end):
    """The first sentence of a document has no preceding space, and the last one may end with a line break; both would
    reveal the order."""
    made = Documents(tmp_path, [" ".join(english(d, (4, 6, 9)[d % 3])) + end for d in range(20)])
    made_pairs = found(made, 300)
    assert {label for *_, label in made_pairs} == {0, 1}
    assert {(side[0], side[-1]) for a, b, _ in made_pairs for side in (a, b)} == {(" ", ".")}


def test_a_document_of_two_sentences_has_no_pair(tmp_path):
    made = Documents(tmp_path, [" ".join(english(d, 2)) for d in range(20)])
    assert found(made, 20) == []
    both = SentenceOrder()
    sequence_labels = [s.sequence_labels["order"] for e in made.examples(both, 20) for s in e["text"]]
    assert set(sequence_labels) == {-1}  # kept for masking


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=7),
    st.booleans(),
    st.booleans(),
    st.integers(-2, 40),
    st.integers(0, 99),
)
def test_neighbours_are_adjacent_and_fit(lengths, closes, opens, room, seed):
    flags = np.concatenate([[2] + [0] * (n - 1) for n in lengths]).astype(np.uint8)
    text = Text(np.arange(len(flags)), flags, closes, opens)
    pair = draw_neighbours(text, room, np.random.default_rng(seed))
    if len(text.whole_sentences) < 2 + opens or room < 2:
        assert pair is None
        return
    a, b = pair
    assert len(a) > 0
    assert len(b) > 0
    assert len(a) + len(b) <= room
    assert flags[a.ids[0]] == flags[b.ids[0]] == 2
    assert a.ids[0] > 0 or not opens
    assert list(a.ids) == list(range(a.ids[0], a.ids[0] + len(a)))
    if a.ends_sentence:
        assert b.ids[0] == a.ids[-1] + 1
    else:  # two sentences that are too long together are truncated
        assert len(a.whole_sentences) == 0
