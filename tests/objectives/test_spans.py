"""Span corruption: source and target together give the text, sentinels are in order, nothing crosses documents."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.objectives.seq2seq.text_to_text import inner_tokens, random_composition, split_at_spans
from danlu.objectives.spans import Spans
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import UnitSample

SENTINELS = tuple(range(200, 300))
VOCABULARY = Vocabulary(
    size=300, bos=1, eos=2, pad=0, mask=3, special=frozenset((0, 1, 2, 3, *SENTINELS)), sentinels=SENTINELS
)
NUMBER = {i: k for k, i in enumerate(SENTINELS)}


def example_of(objective, pieces, n=0):
    return objective.example(UnitSample(5, n, 0.0, VOCABULARY, lambda overlap: pieces))


def restored(source, target):
    """Restore the text from a source and a target by their sentinels."""
    behind, last = {}, None
    for token in target:
        if token in NUMBER:
            last, behind[token] = token, []
        else:
            behind[last].append(token)
    return [x for token in source for x in (behind[token] if token in NUMBER else [token])]


def document(first, length):
    return np.concatenate([[1], 4 + (first + np.arange(length)) % 190, [2]])


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=4),
    st.floats(0.05, 0.95),
    st.floats(1, 6),
    st.integers(2, 100),
    st.integers(0, 99),
)
def test_source_and_target_together_give_the_text(lengths, rate, mean, sentinels, n):
    pieces = [document(50 * k, length) for k, length in enumerate(lengths)]
    room = sum(map(len, pieces))
    found = example_of(Spans(rate=rate, mean_span=mean, sentinels=sentinels), pieces, n)
    assert len(found["source"]) == len(found["target"]) == len(pieces)
    for piece, source, target in zip(pieces, found["source"], found["target"], strict=True):
        read, written = source.inputs["token"].tolist(), target.labels["spans"].tolist()
        assert read[-1] == written[-1] == 2
        assert restored(read[:-1], written[:-1]) == piece[1:-1].tolist()
        shown = [NUMBER[x] for x in read if x in NUMBER]
        targeted = [NUMBER[x] for x in written if x in NUMBER]
        assert shown == list(range(len(shown)))
        assert targeted == list(range(len(shown) + 1))
        assert 1 <= len(shown) < sentinels
        assert not any(a in NUMBER and b in NUMBER for a, b in pairwise(read))
        assert written[0] == SENTINELS[0]
        assert target.inputs["token"].tolist() == [0, *written[:-1]]
        assert len(read) <= room
        assert len(written) <= max(room, 4)
        assert (source.key == 0).all()
        assert (target.key == np.arange(len(written))).all()


@given(st.integers(3, 40), st.integers(0, 30))
def test_examples_are_never_longer_than_the_window(length, n):
    """Required by learned positions."""
    for objective in (Spans(), Spans(rate=0.9, mean_span=1)):
        found = example_of(objective, [4 + np.arange(length)], n)
        for seq in (*found["source"], *found["target"]):
            assert len(seq.key) <= max(length, 4)


def test_rate_and_mean_span_are_as_configured():
    objective, piece = Spans(rate=0.2, mean_span=4), document(0, 100)
    hidden, spans, places = 0, 0, np.zeros(100)
    for n in range(400):
        read = example_of(objective, [piece], n)["source"][0].inputs["token"]
        kept = np.isin(piece[1:-1], read)
        places += ~kept
        hidden, spans = hidden + (~kept).sum(), spans + np.isin(read, SENTINELS).sum()
    assert hidden / 400 == pytest.approx(20, abs=0.5)
    assert hidden / spans == pytest.approx(4, abs=0.1)
    assert places.min() > 0.1 * places.mean()  # also the first and the last token


def test_pieces_without_text_make_no_pair_and_both_sides_stay_aligned():
    found = example_of(Spans(), [np.array([1]), document(0, 9), np.array([2])])
    assert len(found["source"]) == len(found["target"]) == 1


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
def test_compositions_have_positive_parts_with_the_given_sum(parts, more, seed):
    found = random_composition(parts + more - 1, parts, np.random.default_rng(seed))
    assert len(found) == parts
    assert found.min() >= 1
    assert found.sum() == parts + more - 1


def test_all_arrangements_are_equally_likely():
    seen = {}
    for seed in range(3000):
        runs = split_at_spans(np.arange(4), np.array([1, 1]), np.random.default_rng(seed))
        key = tuple(int(run[0]) for run in runs[1::2])
        seen[key] = seen.get(key, 0) + 1
    assert set(seen) == {(0, 2), (0, 3), (1, 3)}
    assert min(seen.values()) > 900


def test_one_begin_and_one_end_token_are_removed():
    for piece, inside in ([1, 5, 2], [5]), ([5, 6], [5, 6]), ([1], []), ([2], []), ([1, 2], []), ([1, 5], [5]):
        assert inner_tokens(np.array(piece), VOCABULARY).tolist() == inside


def test_blanks_become_sentinels_and_are_filled_in_order():
    objective = Spans(sentinels=3)
    parts = [np.array([10, 11]), np.array([12]), np.zeros(0, np.int64)]
    assert objective.source_ids(parts, VOCABULARY).tolist() == [10, 11, 200, 12, 201, 2]
    assert objective.decoder_start(VOCABULARY).tolist() == [0]
    for made, text in [
        ([200, 50, 51, 201, 52, 202], [10, 11, 50, 51, 12, 52]),
        ([201, 52, 200, 50], [10, 11, 50, 12, 52]),
        ([49, 200, 50, 200, 51], [10, 11, 50, 12]),
        ([], [10, 11, 12]),
    ]:
        assert objective.merge(parts, np.array(made, np.int64), VOCABULARY).tolist() == text
    with pytest.raises(WrongInput, match="no blank; mark each blank with <mask>"):
        objective.source_ids(parts[:1], VOCABULARY)
    with pytest.raises(WrongInput, match="3 blanks; the model supports at most 2"):
        objective.source_ids([*parts, parts[0]], VOCABULARY)


def test_a_tokenizer_without_sentinels_is_refused():
    bare = Vocabulary(size=20, bos=1, eos=2, pad=0, mask=3, special=frozenset(range(4)))
    draw = UnitSample(0, 0, 0.0, bare, lambda overlap: [4 + np.arange(9)])
    with pytest.raises(WrongInput, match=r"it has 0 sentinels .* and 100 are needed"):
        Spans().example(draw)
