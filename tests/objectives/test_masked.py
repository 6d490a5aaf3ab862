"""Masked language modelling: which tokens are hidden, how often, and what stays unchanged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from danlu.objectives.masked import Masked
from danlu.objectives.masked_tokens.masking import LONGEST_SPAN, hide_spans
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import UnitSample

VOCABULARY = Vocabulary(size=1004, bos=1, eos=2, mask=3, pad=0, special=frozenset(range(4)))


def masked(pieces, n=0, progress=0.0, **settings):
    draw = UnitSample(5, n, progress, VOCABULARY, lambda overlap: pieces)
    return Masked(**settings).example(draw)["text"]


units = st.lists(st.lists(st.integers(0, 1003), min_size=1, max_size=12).map(np.array), min_size=1, max_size=4)


@given(units, st.integers(0, 99), st.floats(0.01, 0.99))
def test_labels_are_the_hidden_tokens_and_the_rest_is_unchanged(pieces, n, rate):
    for piece, seq in zip(pieces, masked(pieces, n, rate=rate), strict=True):
        hidden = seq.labels["masked"] >= 0
        assert np.array_equal(seq.labels["masked"][hidden], piece[hidden])
        assert np.array_equal(seq.inputs["token"][~hidden], piece[~hidden])
        assert not hidden[~VOCABULARY.ordinary(piece)].any()
        assert (seq.inputs["token"][hidden & (seq.inputs["token"] != VOCABULARY.mask)] >= 4).all()
        assert seq.key.tolist() == [0] * len(piece)


@given(units, st.integers(0, 99))
def test_a_unit_with_an_ordinary_token_has_a_target(pieces, n):
    found = sum(int((seq.labels["masked"] >= 0).sum()) for seq in masked(pieces, n, rate=1e-9))
    assert found == int(any((piece >= 4).any() for piece in pieces))


@given(units, st.integers(0, 99))
def test_the_pieces_are_not_modified(pieces, n):
    before = [piece.copy() for piece in pieces]
    masked(pieces, n, rate=0.9)
    assert all(np.array_equal(a, b) for a, b in zip(before, pieces, strict=True))


def within(count, total, share):
    """Whether a count is within five standard deviations of a binomial distribution."""
    return abs(count - total * share) <= 5 * (total * share * (1 - share)) ** 0.5


@pytest.mark.parametrize("shares", [{}, {"replace": 1.0, "random": 0.0}, {"replace": 0.5, "random": 0.5}])
def test_shares_of_masked_random_and_kept_tokens(shares):
    piece = np.random.default_rng(0).integers(4, 1004, 60_000)
    (seq,) = masked([piece], **shares)
    hidden = seq.labels["masked"] >= 0
    assert within(hidden.sum(), len(piece), 0.15)
    replace, random = shares.get("replace", 0.8), shares.get("random", 0.1)
    shown, total = seq.inputs["token"][hidden], hidden.sum()
    same = piece[hidden] == shown
    assert within((shown == VOCABULARY.mask).sum(), total, replace)
    assert within(same.sum(), total, 1 - replace - random * 999 / 1000)
    random_tokens = shown[(shown != VOCABULARY.mask) & ~same]
    assert within(len(random_tokens), total, random * 999 / 1000)
    assert random == 0 or len(np.unique(random_tokens)) > 300


@pytest.mark.parametrize(("progress", "rate"), [(0.0, 0.3), (0.5, 0.2), (1.0, 0.1)])
def test_the_rate_changes_linearly_with_progress(progress, rate):
    piece = np.full(40_000, 7)
    (seq,) = masked([piece], progress=progress, rate=0.3, final_rate=0.1)
    assert within((seq.labels["masked"] >= 0).sum(), len(piece), rate)


def test_all_positions_are_hidden_equally_often():
    piece = np.full(20, 9)
    times = sum((masked([piece], n)[0].labels["masked"] >= 0).astype(int) for n in range(3000))
    assert all(within(t, 3000, 0.15 + 0.85**20 / 20) for t in times)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"replace": 0.9, "random": 0.2}, "sum to more than 1"),
        ({"rate": 0.0}, "greater than 0"),
        ({"rate": 1.0}, "less than 1"),
        ({"rat": 0.2}, "did you mean 'rate'"),
    ],
)
def test_impossible_settings_are_refused(settings, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Masked.model_validate(settings)


def grouped(pieces, flags, n=0, **settings):
    draw = UnitSample(5, n, 0.0, VOCABULARY, lambda overlap: pieces, lambda overlap: flags)
    return Masked(unit="word", **settings).example(draw)["text"]


words = st.lists(st.integers(1, 4), min_size=1, max_size=8)


@given(words, st.integers(0, 99), st.floats(0.05, 0.9))
def test_words_are_hidden_as_a_whole_and_in_one_way(lengths, n, rate):
    flags = np.concatenate([[1] + [0] * (k - 1) for k in lengths]).astype(np.uint8)
    piece = np.arange(4, 4 + len(flags))
    (seq,) = grouped([piece], [flags], n, rate=rate)
    hidden, shown = seq.labels["masked"] >= 0, seq.inputs["token"]
    assert np.array_equal(shown[~hidden], piece[~hidden])
    assert hidden.any()
    for word in np.split(np.arange(len(flags)), np.flatnonzero(flags)[1:]):
        assert len(set(hidden[word])) == 1
        kept, under = shown[word] == piece[word], shown[word] == VOCABULARY.mask
        ways = {"masked" if u else "kept" if k else "random" for k, u in zip(kept, under, strict=True)}
        assert len(ways - {"random"}) <= 1 or not hidden[word][0]


def test_whole_word_masking_keeps_special_tokens_in_place():
    """UER rebuilt the input from words and lost unknown and separator tokens."""
    piece = np.array([1, 10, 11, 12, 2, 1, 20, 21, 2])
    flags = np.array([1, 1, 0, 1, 1, 1, 1, 0, 1], np.uint8)
    for n in range(50):
        (seq,) = grouped([piece], [flags], n, rate=0.5)
        assert len(seq.inputs["token"]) == len(piece)
        assert (seq.inputs["token"][[0, 4, 5, 8]] == piece[[0, 4, 5, 8]]).all()
        assert (seq.labels["masked"][[0, 4, 5, 8]] == -1).all()


@pytest.mark.parametrize("unit", ["token", "word", "span"])
def test_the_rate_holds_for_every_unit(unit):
    rng = np.random.default_rng(0)
    pieces = [np.random.default_rng(k).integers(4, 1004, 100) for k in range(400)]
    flags = [(rng.random(100) < 0.4).astype(np.uint8) for _ in pieces]
    draw = UnitSample(5, 0, 0.0, VOCABULARY, lambda overlap: pieces, lambda overlap: flags)
    found = [seq.labels["masked"] >= 0 for seq in Masked(unit=unit).example(draw)["text"]]
    assert abs(np.mean(np.concatenate(found)) - 0.15) < 0.01


def test_spans_have_the_configured_mean_length():
    pieces = [np.concatenate([[1], np.random.default_rng(k).integers(4, 1004, 60), [2]]) for k in range(300)]
    sequences = masked(pieces, unit="span", mean_span=4, replace=1.0, random=0.0)
    lengths = []
    for seq in sequences:
        hidden = np.concatenate([[False], seq.labels["masked"] >= 0, [False]])
        edges = np.flatnonzero(np.diff(hidden.astype(int)))
        lengths += list(edges[1::2] - edges[::2])
    assert 2.5 < np.mean(lengths) < 5
    assert max(lengths) > 5
    assert sum(n == 1 for n in lengths) < 0.4 * len(lengths)


@pytest.mark.parametrize("objective", ["masked", "clusters", "replaced"])
def test_a_mean_span_beyond_the_longest_span_is_refused(objective):
    with pytest.raises(ValidationError, match="less than or equal to 10"):
        objectives.validate({"name": objective, "mean_span": 10.5})


@pytest.mark.parametrize(("mean", "capped"), [(3, 2.95), (10, 6.51)])
def test_the_mean_of_truncated_spans_is_as_documented(mean, capped):
    pieces = [np.full(400, 9)] * 3000
    places = hide_spans(pieces, 0.05, mean, np.random.default_rng(0), VOCABULARY)
    lengths = np.array([(place.group == 1).sum() for place in places])  # the first span of a piece
    assert lengths.max() == LONGEST_SPAN
    assert abs(lengths.mean() - capped) < 5 * lengths.std() / len(lengths) ** 0.5
    assert mean * (1 - (1 - 1 / mean) ** LONGEST_SPAN) == pytest.approx(capped, abs=0.005)
