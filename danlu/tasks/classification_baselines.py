"""Baselines of a classification task without pre-training: TF-IDF with logistic regression, and the majority class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.extras import require
from danlu.metrics.metric import Metric
from danlu.tasks.rows import Row

STRENGTHS = (0.1, 1.0, 10.0, 100.0)
"""Candidates for C, the inverse regularisation strength. Accuracy is flat from 1 on; 1000 is worse."""

FOLDS = 5
MAX_PROJECTED_ROWS = 1500
"""Maximum number of training rows for which the projection of `_project` is faster than sparse features."""

HAN_SHARE = 0.2
"""Texts with at least this share of Han characters are treated as Chinese, without spaces between words."""


def majority_labels(train_rows: Sequence[Row]) -> list[str]:
    """Return the most frequent training labels; several if they are tied, as with few labels per class."""
    counts = Counter(row.label for row in train_rows)
    return [label for label, n in counts.items() if n == max(counts.values())]


def is_chinese(texts: Sequence[str]) -> bool:
    """Return whether at least `HAN_SHARE` of the characters other than white space are Han characters."""
    text = "".join("".join(texts).split())
    return sum("\u4e00" <= c <= "\u9fff" or "\u3400" <= c <= "\u4dbf" for c in text) >= HAN_SHARE * max(len(text), 1)


def _features(chinese: bool) -> Any:
    """Return a vectorizer: TF-IDF of words and character n-grams; for Chinese of 1 to 3 characters only."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    if chinese:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    # unlike the default pattern, this one includes words of one letter
    words = TfidfVectorizer(token_pattern=r"(?u)\w+", ngram_range=(1, 2), sublinear_tf=True)
    return make_union(words, TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True))


def _project(train: Any, test: Any) -> tuple[Any, Any]:
    """Project sparse rows [n, features] and [m, features] onto at most n coordinates that span the training rows.

    All inner products with training rows are preserved, so that the penalised regression is the same (representer
    theorem) with n columns instead of tens of thousands. It is about ten times faster for a few hundred rows.
    """
    if train.shape[0] > MAX_PROJECTED_ROWS:
        return train, test
    values, vectors = np.linalg.eigh((train @ train.T).toarray())
    nonzero = values > 1e-10 * values[-1]
    root, vectors = np.sqrt(values[nonzero]), vectors[:, nonzero]
    return vectors * root, (test @ train.T).toarray() @ (vectors / root)


def _extract_features(train: Sequence[str], test: Sequence[str]) -> tuple[Any, Any]:
    """Return the features of both; vocabulary and document frequencies are computed from `train` only."""
    features = _features(is_chinese(train))
    return _project(features.fit_transform(train), features.transform(test))


def _classifier(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    # newton-cg converges to the same weights as the default solver, but four times as fast on large tables
    return LogisticRegression(C=strength, solver="newton-cg", max_iter=5000)


def _best_strength(texts: list[str], labels: list[str], seed: int, metric: Metric) -> float:
    """Return the C with the best score in stratified cross-validation; the smallest if several are equal."""
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, *Counter(labels).values())
    if folds < 2:
        return 1.0  # a class with a single row cannot be cross-validated
    expected: list[str] = []
    predicted: dict[float, list[str]] = {strength: [] for strength in STRENGTHS}
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels):
        x_train, x_test = _extract_features([texts[i] for i in train], [texts[i] for i in test])
        expected += [labels[i] for i in test]
        for strength in STRENGTHS:
            classifier = _classifier(strength).fit(x_train, [labels[i] for i in train])
            predicted[strength] += list(classifier.predict(x_test))
    scores = {strength: metric.score(expected, answers) for strength, answers in predicted.items()}
    return max(STRENGTHS, key=lambda strength: (scores[strength], -strength))


def require_controls() -> None:
    """Raise WrongInput if scikit-learn is not installed."""
    require("sklearn", "eval", "the TF-IDF baseline")


def tfidf_predictions(train_rows: Sequence[Row], test_rows: Sequence[Row], seed: int, metric: Metric) -> list[str]:
    """Predict the label of each test row by TF-IDF and logistic regression.

    C is selected by cross-validation on the training rows; `seed` determines the folds.

    Raises:
        WrongInput: if scikit-learn is not installed.
        ValueError: if the training rows have only one class.
    """
    require_controls()
    texts, labels = [row.text for row in train_rows], [row.label for row in train_rows]
    x_train, x_test = _extract_features(texts, [row.text for row in test_rows])
    classifier = _classifier(_best_strength(texts, labels, seed, metric)).fit(x_train, labels)
    return [str(label) for label in classifier.predict(x_test)]
