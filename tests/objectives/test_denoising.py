"""Denoising: the target is the text, the source its corrupted version, and nothing crosses documents."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from danlu.objectives.denoising import Denoising, infill_spans, permute_sentences
from danlu.tokens.bounds import FLAGS
from danlu.tokens.vocabulary import Vocabulary
from danlu.training.samples import UnitSample

VOCABULARY = Vocabulary(size=300, bos=1, eos=2, pad=0, mask=3, special=frozenset(range(4)))
MASK = 3


def document(first, length):
    return np.concatenate([[1], 4 + first + np.arange(length), [2]])


def example_of(objective, pieces, n=0, every=5):
    """Make an example with sentences of `every` tokens; bos and eos are separate sentences."""
    flags = []
    for piece in pieces:
        starts = np.zeros(len(piece), np.uint8)
        starts[1::every] = FLAGS["sentence"]
        starts[[0, -1]] = FLAGS["sentence"]
        flags.append(starts)
    return objective.example(UnitSample(5, n, 0.0, VOCABULARY, lambda overlap: pieces, lambda overlap: flags))


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.floats(0, 0.95),
    st.floats(1, 6),
    st.booleans(),
    st.floats(0, 0.5),
    st.integers(0, 99),
)
def test_the_target_is_the_text_and_the_source_has_only_its_tokens(lengths, rate, mean, permute, delete, n):
    pieces = [document(70 * k, length) for k, length in enumerate(lengths)]
    room = sum(map(len, pieces))
    objective = Denoising(rate=rate, mean_span=mean, permute=permute, delete=delete)
    found = example_of(objective, pieces, n)
    assert len(found["source"]) == len(found["target"]) == len(pieces)
    for piece, source, target in zip(pieces, found["source"], found["target"], strict=True):
        read, written = source.inputs["token"], target.labels["denoised"]
        assert written.tolist() == piece.tolist()
        assert target.inputs["token"].tolist() == [2, *piece[:-1]]
        assert [read[0], read[-1]] == [1, 2]
        inside = read[1:-1]
        kept = inside[inside != MASK]
        assert set(kept) <= set(piece[1:-1])
        assert len(set(kept)) == len(kept)
        assert len(read) <= room
        if not permute:
            assert (np.diff(kept) > 0).all()


@given(st.integers(3, 40), st.integers(0, 30), st.floats(1, 3))
def test_examples_are_never_longer_than_the_window(length, n, mean):
    """Required by learned positions, however many empty spans are drawn."""
    objective = Denoising(permute=False, rate=0.5, mean_span=mean)
    draw = UnitSample(5, n, 0.0, VOCABULARY, lambda overlap: [4 + np.arange(length)])
    found = objective.example(draw)
    for seq in (*found["source"], *found["target"]):
        assert len(seq.key) <= length


def test_sentences_are_permuted_whole():
    ids, sentence = np.arange(10), np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3])
    whole = [[0, 1, 2], [3, 4], [5, 6, 7, 8], [9]]
    seen = set()
    for seed in range(400):
        found = permute_sentences(ids, sentence, np.random.default_rng(seed)).tolist()
        order = []
        while found:
            part = next(w for w in whole if found[: len(w)] == w)
            order.append(whole.index(part))
            found = found[len(part) :]
        assert sorted(order) == [0, 1, 2, 3]
        seen.add(tuple(order))
    assert len(seen) == 24


def test_permutation_without_infilling():
    found = example_of(Denoising(rate=0), [document(0, 30)])["source"][0].inputs["token"][1:-1]
    assert sorted(found) == list(range(4, 34))
    assert (np.diff(found) != 1).sum() > 0


def test_rate_and_mean_span_are_as_configured():
    ids, hidden, masks = np.arange(100, 200), 0, 0
    rng = np.random.default_rng(0)
    for _ in range(500):
        found = infill_spans(ids, 0.3, 3.0, 100, MASK, rng)
        masks += (found == MASK).sum()
        hidden += 100 - (found != MASK).sum()
    assert hidden / 500 == pytest.approx(30, abs=0.01)
    assert 2.5 < hidden / masks < 3.2  # the last span of a text is truncated, empty spans count


@given(st.integers(1, 120), st.sampled_from([0.5, 0.8, 0.95]), st.floats(1, 5), st.integers(0, 30))
def test_high_rates_are_reached(length, rate, mean, n):
    """Regression: spans without a separating token were dropped together with the tokens they should hide."""
    objective = Denoising(rate=rate, mean_span=mean, permute=False)
    source = example_of(objective, [document(0, length)], n)["source"][0].inputs["token"][1:-1]
    assert abs(length - (source != MASK).sum() - rate * length) < 1
    assert not ((source[:-1] == MASK) & (source[1:] == MASK)).any()


def test_a_mean_span_below_one_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Denoising(mean_span=1e-6)


def test_an_empty_span_inserts_a_mask():
    rng = np.random.default_rng(1)
    found = [infill_spans(np.arange(100, 200), 0.1, 0.5, 200, MASK, rng) for _ in range(50)]
    assert any((f == MASK).sum() > 10 for f in found)  # more masks than hidden tokens
    assert all((f != MASK).sum() == 90 for f in found)


def test_deletion_leaves_no_mask():
    objective = Denoising(rate=0, permute=False, delete=0.4)
    lengths = []
    for n in range(200):
        found = example_of(objective, [document(0, 50)], n)["source"][0].inputs["token"][1:-1]
        assert MASK not in found
        lengths.append(len(found))
    assert np.mean(lengths) == pytest.approx(30, abs=1)


def test_sentence_boundaries_are_requested_only_for_permutation():
    assert Denoising().boundaries == {"sentence"}
    assert Denoising(permute=False).boundaries == frozenset()


def test_blanks_of_a_text_become_masks():
    parts = [np.array([10]), np.array([11, 12])]
    objective = Denoising()
    assert objective.source_ids(parts, VOCABULARY).tolist() == [1, 10, 3, 11, 12, 2]
    assert objective.decoder_start(VOCABULARY).tolist() == [2, 1]
    assert objective.merge(parts, np.array([9, 8]), VOCABULARY).tolist() == [9, 8]
