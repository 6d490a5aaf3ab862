"""Retrieval, alignment, uniformity, rank correlation and TF-IDF compared with brute force and other libraries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentence_store import Documents, english

from danlu.architectures import build_network
from danlu.errors import WrongInput
from danlu.evaluation.alignment import distances, uniformity
from danlu.evaluation.bag_of_tokens import tfidf_vectors
from danlu.evaluation.retrieval import recall_at_1, reciprocal_rank
from danlu.evaluation.similarity import ScoredPair, ScoredPairs, similarity_figures
from danlu.evaluation.text_vectors import document_halves, vector_figures
from danlu.metrics.correlation import spearman, spearman_interval
from danlu.objectives.contrastive import Contrastive
from danlu.registry import architectures

squares = st.integers(2, 6).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=n, max_size=n)
)


@given(squares)
def test_ranks_are_averaged_over_the_orders_of_ties(rows):
    similarity = np.array(rows, float)
    first, reciprocal = recall_at_1(similarity), reciprocal_rank(similarity)
    for i, row in enumerate(rows):
        ranks = []
        for order in itertools.permutations(range(len(row))):  # every way to break ties
            ranked = sorted(order, key=lambda j: -row[j])
            ranks.append(ranked.index(i) + 1)
        assert first[i] == pytest.approx(np.mean([rank == 1 for rank in ranks]))
        assert reciprocal[i] == pytest.approx(np.mean([1 / rank for rank in ranks]))


def unit_rows(seed, n, width=8):
    x = np.random.default_rng(seed).normal(size=(n, width))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_alignment_and_uniformity_follow_their_paper():
    a, b = unit_rows(0, 30), unit_rows(1, 30)
    assert distances(a, b).mean() == pytest.approx(np.mean([np.sum((x - y) ** 2) for x, y in zip(a, b, strict=True)]))
    pairs = [np.exp(-2 * np.sum((x - y) ** 2)) for x, y in itertools.combinations(a, 2)]
    found = uniformity(a)
    assert found.mean == pytest.approx(np.log(np.mean(pairs)))
    assert found.low < found.mean < found.high
    assert uniformity(np.repeat(a[:1], 9, 0)).mean == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="at least two vectors"):
        uniformity(a[:1])


def test_the_interval_of_uniformity_has_its_nominal_coverage():
    truth = uniformity(unit_rows(99, 1500), resamples=2).mean
    covered = sum(f.low <= truth <= f.high for f in (uniformity(unit_rows(s, 60), resamples=200) for s in range(100)))
    assert 84 <= covered <= 100


numbers = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=20)


@given(numbers)
def test_rank_correlation_equals_scipy(pairs):
    stats = pytest.importorskip("scipy.stats")
    a, b = (np.array(side, float) for side in zip(*pairs, strict=True))
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)
    else:
        assert spearman(a, b) == 0


def test_the_interval_of_a_rank_correlation():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    near = spearman_interval(x, x + rng.normal(size=300))
    assert near.low < near.mean < near.high
    assert near.low > 0.5
    none = spearman_interval(x, rng.normal(size=300))
    assert none.low < 0 < none.high
    with pytest.raises(ValueError, match="three pairs"):
        spearman_interval([1, 2], [1, 2])


def test_tfidf_equals_scikit_learn():
    text = pytest.importorskip("sklearn.feature_extraction.text")
    rng = np.random.default_rng(0)
    texts = [rng.integers(0, 30, rng.integers(1, 40)) for _ in range(20)]
    theirs = text.TfidfVectorizer(sublinear_tf=True, token_pattern=r"\S+").fit_transform(
        [" ".join(map(str, ids)) for ids in texts]
    )
    ours = tfidf_vectors(texts)
    np.testing.assert_allclose(ours @ ours.T, (theirs @ theirs.T).toarray(), atol=1e-6)
    assert tfidf_vectors([np.zeros(0, np.int64), texts[0]])[0].tolist() == [0] * len(set(texts[0].tolist()))


def model_of(size, seed=0):
    chosen = architectures.validate({"name": "transformer", "layers": 1, "width": 32, "heads": 2, "context": 48})
    return build_network(Contrastive(), chosen, size, seed).eval()


def test_halves_join_in_the_middle_of_a_document(tmp_path):
    made = Documents(tmp_path, [" ".join(english(d, 1 + d)) for d in range(9)])
    first, second = document_halves(made.store, made.tokenizer.vocabulary, 20)
    assert len(first) == len(second) == 8  # a document of a single sentence is too short
    for a, b in zip(first, second, strict=True):
        assert max(len(a), len(b)) <= 20
        assert len(made.of(made.tokenizer.decode([*a, *b]))) == 1


def test_tfidf_retrieves_the_other_half_and_figures_have_intervals(tmp_path):
    made = Documents(tmp_path, [" ".join(english(d, 8)) for d in range(30)])
    size = made.tokenizer.vocabulary.size
    models = {"": model_of(size), ", random weights": model_of(size, 1)}
    found = vector_figures(models, made.store, made.tokenizer.vocabulary)
    assert found["halves to find"] == 30
    for name in ("recall@1", "MRR", "alignment", "uniformity"):
        for model in models:
            assert found[name + model]["low"] <= found[name + model]["value"] <= found[name + model]["high"]
    assert found["recall@1, TF-IDF"]["value"] > 0.5 > 1 / 30
    assert vector_figures(models, Documents(tmp_path / "one", ["a b c d"]).store, made.tokenizer.vocabulary) == {}


def test_tfidf_similarity_ranks_pairs_like_their_scores(tmp_path):
    made = Documents(tmp_path, [" ".join(english(d, 8)) for d in range(10)])
    a = " ".join(english(3, 12))
    pairs = [ScoredPair(a, " ".join(english(3, k) + english(5, 12 - k)), float(k)) for k in range(13)]
    v, encode = made.tokenizer.vocabulary, made.tokenizer.encode_batch
    found = similarity_figures({"": model_of(v.size)}, pairs, encode, v)
    assert set(found) == {"Spearman", "Spearman, TF-IDF"}
    assert found["Spearman, TF-IDF"]["value"] > 0.8
    assert -1 <= found["Spearman"]["low"] <= found["Spearman"]["value"] <= found["Spearman"]["high"] <= 1


def test_scored_pairs_are_read_or_refused_with_their_line(tmp_path):
    path = tmp_path / "pairs.tsv"

    def read(*rows, **columns):
        path.write_text("\n".join(["text_a\ttext_b\tlabel", *rows]), "utf-8")
        return ScoredPairs(rows=path, **columns).read()

    rows = ["x\ty\t0.5", "x\t狗\t1", " x \tz\t-2"]
    assert read(*rows) == [ScoredPair("x", "y", 0.5), ScoredPair("x", "狗", 1), ScoredPair("x", "z", -2)]
    for bad, message in [
        (["x\ty\thigh"], r"pairs\.tsv:5: the score 'high' is not a number"),
        (["x\ty\tnan"], r"pairs\.tsv:5: the score 'nan' is not a number"),
        (["x\t\t1"], r"pairs\.tsv:5: the column 'text_b' is empty"),
        (["x\ty"], r"pairs\.tsv:5: has 2 fields"),
    ]:
        with pytest.raises(WrongInput, match=message) as refused:
            read(*rows, *bad)
        assert "\n" not in str(refused.value)
    with pytest.raises(WrongInput, match="has 2 pairs"):
        read(*rows[:2])
    with pytest.raises(WrongInput, match="no column 'score'"):
        read(*rows, score="score")
