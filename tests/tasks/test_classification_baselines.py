import sys

import numpy as np
import pytest

from danlu.errors import WrongInput
from danlu.metrics.classification import Accuracy, MacroF1, Matthews
from danlu.tasks import classification_baselines as controls
from danlu.tasks.classification import Classify
from danlu.tasks.classification_baselines import is_chinese, tfidf_predictions
from danlu.tasks.rows import Row


def baseline_scores(train, test, metric, name):
    """The headline score of every prediction set of a baseline."""
    task = Classify(rows="builtin:pydocs_parts", metric=metric)
    found = task.baselines(train, test, 0)[name]
    choices = found if name == "tfidf" else found.predictions
    return [task.score(test, choice)[metric.name].value for choice in ([choices] if name == "tfidf" else choices)]


def majority_score(train, test, metric):
    labels = [row.label for row in test]
    found = controls.majority_labels(train)
    return sum(metric.score(labels, [label] * len(labels)) for label in found) / len(found)


def tfidf_score(train, test, seed, metric):
    return metric.score([row.label for row in test], tfidf_predictions(train, test, seed, metric))


def english(n, seed):
    """Two topics with partly overlapping words."""
    rng = np.random.default_rng(seed)
    words = {
        "sea": ["ship", "wave", "salt", "harbour", "the", "of", "and", "wind"],
        "farm": ["cow", "barn", "grain", "tractor", "the", "of", "and", "wind"],
    }
    return [Row(" ".join(rng.choice(words[k], 12)), k, str(i)) for i in range(n) for k in words]


def chinese(n, seed):
    rng = np.random.default_rng(seed)
    signs = {"海": "船浪盐港的了和风", "田": "牛仓谷耕的了和风"}
    return [Row("".join(rng.choice(list(signs[k]), 12)), k, str(i)) for i in range(n) for k in signs]


def test_majority_class_scores():
    train = [Row("", label, "") for label in "aab"]
    test = [Row("", label, "") for label in "abbb"]
    assert majority_score(train, test, Accuracy()) == 0.25
    assert majority_score(train[1:], test, Accuracy()) == 0.5  # a tie: the mean of 0.25 and 0.75


def test_tied_majority_classes_are_scored_by_their_mean():
    train, test = english(3, 4), english(20, 5)[:25]
    shares = [sum(row.label == label for row in test) / 25 for label in ("farm", "sea")]
    assert sorted(baseline_scores(train, test, Accuracy(), "majority")) == sorted(shares)


def test_every_control_is_scored_by_the_metric():
    train = [Row("", label, "") for label in "aab"]
    test = [Row("", label, "") for label in "aaab"]
    assert majority_score(train, test, MacroF1()) == pytest.approx((2 * 3 / 7) / 2)
    assert majority_score(train, test, Matthews()) == 0.0
    train, test = english(3, 4), english(20, 5)[:25]
    labels = [row.label for row in test]
    for metric in (Accuracy(), MacroF1(), Matthews()):
        found = tfidf_predictions(train, test, 0, metric)
        assert baseline_scores(train, test, metric, "tfidf") == [metric.score(labels, found)]


def test_the_regularisation_strength_is_chosen_by_the_metric():
    """The metric is called once for each strength, with the predictions of all folds together."""
    seen = []

    class RecordingMacroF1(MacroF1):
        def score(self, labels, found):
            seen.append((sorted(labels), len(found)))
            return super().score(labels, found)

    train = [*english(4, 1), *[row for row in english(9, 2) if row.label == "sea"]]
    tfidf_predictions(train, english(2, 3), 0, RecordingMacroF1())
    assert seen == [(sorted(row.label for row in train), len(train))] * len(controls.STRENGTHS)


@pytest.mark.parametrize("make", [english, chinese])
def test_tfidf_separates_topics_by_their_words(make):
    assert tfidf_score(make(12, 0), make(40, 1), seed=0, metric=Accuracy()) > 0.95


@pytest.mark.parametrize("make", [english, chinese])
def test_tfidf_predictions_are_reproducible(make):
    train, test = make(6, 2), make(30, 3)
    assert tfidf_predictions(train, test, 5, Accuracy()) == tfidf_predictions(train, test, 5, Accuracy())


def test_predictions_do_not_depend_on_other_test_rows():
    train, test = english(6, 4), english(20, 5)
    whole = tfidf_predictions(train, test, 0, Accuracy())
    assert [tfidf_predictions(train, [row], 0, Accuracy())[0] for row in test[:5]] == whole[:5]


def test_one_label_per_class_is_enough():
    assert tfidf_score(english(1, 0), english(30, 1), seed=0, metric=Accuracy()) > 0.6


def test_compact_rows_give_the_same_regression(monkeypatch):
    train, test = english(10, 6), english(60, 7)
    compact = tfidf_predictions(train, test, 1, Accuracy())
    monkeypatch.setattr(controls, "MAX_PROJECTED_ROWS", 0)
    assert tfidf_predictions(train, test, 1, Accuracy()) == compact


def test_compact_keeps_inner_products():
    sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(0)
    x, held = (sparse.csr_array(rng.random((n, 50)) * (rng.random((n, 50)) < 0.3)) for n in (8, 5))
    small, small_held = controls._project(x, held)
    assert small.shape == (8, 8)
    np.testing.assert_allclose(small @ small.T, (x @ x.T).toarray(), atol=1e-10)
    np.testing.assert_allclose(small_held @ small.T, (held @ x.T).toarray(), atol=1e-10)


def test_chinese_is_detected_by_its_characters():
    assert is_chinese(["danlu 是丹炉"])
    assert not is_chinese(["danlu (丹炉) is a furnace for language models"])
    assert not is_chinese([""])


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(WrongInput, match=r"^the TF-IDF baseline needs sklearn; .* pip install .*\[eval\]'$"):
        tfidf_score(english(2, 0), english(2, 1), seed=0, metric=Accuracy())


def test_training_rows_of_a_single_class_are_refused():
    with pytest.raises(ValueError, match="class"):
        tfidf_score([row for row in english(3, 0) if row.label == "sea"], english(2, 1), seed=0, metric=Accuracy())
