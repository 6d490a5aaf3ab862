"""Classical controls of a classification task: what labels alone give, without any pre-training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.extras import require
from danlu.metrics.classification import Metric
from danlu.tasks.rows import Row

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Inverse regularisation C to choose from. On TF-IDF rows of length one accuracy is flat from 1 on, and 1000 loses."""

FOLDS = 5
COMPACT_ROWS = 1500
"""Above this many training rows the sparse features are the faster form."""

HAN_SHARE = 0.2
"""From this share of Chinese characters on, a text has no words between spaces to count."""


def majority_score(train_rows: Sequence[Row], test_rows: Sequence[Row], metric: Metric) -> float:
    """The score of always answering the most frequent training label.

    With a tie (few labels of each class) the mean over the tied labels: any single choice would be luck.
    """
    counts = Counter(row.label for row in train_rows)
    tied = [label for label, n in counts.items() if n == max(counts.values())]
    labels = [row.label for row in test_rows]
    return math.fsum(metric.score(labels, [label] * len(labels)) for label in tied) / len(tied)


def is_chinese(texts: Sequence[str]) -> bool:
    """Whether at least a fifth of the characters that are not white space are Han characters."""
    text = "".join("".join(texts).split())
    return sum("\u4e00" <= c <= "\u9fff" or "\u3400" <= c <= "\u4dbf" for c in text) >= HAN_SHARE * max(len(text), 1)


def _features(chinese: bool) -> Any:
    """TF-IDF of words and characters side by side; for Chinese of characters alone (1 to 3 in a row)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    if chinese:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    # Words of one letter count too ("I", "a"), and so do the signs of code.
    words = TfidfVectorizer(token_pattern=r"(?u)\w+", ngram_range=(1, 2), sublinear_tf=True)
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))


def _compact(x: Any, held: Any) -> tuple[Any, Any]:
    """Sparse rows [n, features] and [m, features] in at most n coordinates that span the training rows.

    All inner products with training rows stay, so the penalised regression is the same one (representer theorem),
    with n columns instead of tens of thousands: about ten times faster for a few hundred rows.
    """
    if x.shape[0] > COMPACT_ROWS:
        return x, held
    values, vectors = np.linalg.eigh((x @ x.T).toarray())
    spanned = values > 1e-10 * values[-1]
    root, vectors = np.sqrt(values[spanned]), vectors[:, spanned]
    return vectors * root, (held @ x.T).toarray() @ (vectors / root)


def _represented(train: Sequence[str], held: Sequence[str]) -> tuple[Any, Any]:
    """Both as rows of numbers; vocabulary and document frequencies come from `train` alone."""
    features = _features(is_chinese(train))
    return _compact(features.fit_transform(train), features.transform(held))


def _classifier(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # newton-cg ends at the same weights as the default, on large tables four times as fast.
    return LogisticRegression(C=strength, solver="newton-cg", max_iter=5000)


def _best_strength(texts: list[str], labels: list[str], seed: int, metric: Metric) -> float:
    """The C with the best score in stratified cross-validation, the smallest of equals."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, *Counter(labels).values())
    if folds < 2:
        return 1.0  # a class with one label leaves nothing to choose by
    right: list[str] = []
    found: dict[float, list[str]] = {strength: [] for strength in STRENGTHS}
    for inside, outside in StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels):
        x, held = _represented([texts[i] for i in inside], [texts[i] for i in outside])
        right += [labels[i] for i in outside]
        for strength in STRENGTHS:
            found[strength] += list(_classifier(strength).fit(x, [labels[i] for i in inside]).predict(held))
    scores = {strength: metric.score(right, answers) for strength, answers in found.items()}
    return max(STRENGTHS, key=lambda strength: (scores[strength], -strength))


def require_controls() -> None:
    """WrongInput when scikit-learn is missing; asked before anything is trained."""
    require("sklearn", "eval", "the TF-IDF control")


def tfidf_predictions(train_rows: Sequence[Row], test_rows: Sequence[Row], seed: int, metric: Metric) -> list[str]:
    """The label that TF-IDF and logistic regression give each test row.

    C is chosen by the metric inside the training rows (`seed` draws the folds); the test rows are only ever predicted.
    WrongInput when scikit-learn is missing, ValueError for training rows of one class.
    """
    require_controls()
    texts, labels = [row.text for row in train_rows], [row.label for row in train_rows]
    x, held = _represented(texts, [row.text for row in test_rows])
    classifier = _classifier(_best_strength(texts, labels, seed, metric)).fit(x, labels)
    return [str(label) for label in classifier.predict(held)]


def tfidf_score(train_rows: Sequence[Row], test_rows: Sequence[Row], seed: int, metric: Metric) -> float:
    """The score of `tfidf_predictions`."""
    found = tfidf_predictions(train_rows, test_rows, seed, metric)
    return metric.score([row.label for row in test_rows], found)
