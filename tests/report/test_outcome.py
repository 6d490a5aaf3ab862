"""The first sentences of the page claim no more than the figures show."""

from __future__ import annotations

import pytest
from synthetic_run_folder import results

from danlu.report import verdicts
from danlu.report.outcome import outcome
from danlu.report.phrases import in_language
from danlu.results import Results


def first_sentence(**changed):
    """The first sentence of the synthetic run with changed entries of its likelihood model, and its verdict."""
    found = results()
    found["pretrain"][0] |= changed
    sentence = outcome(Results.model_validate(found))[0]
    return in_language(sentence.text, "en"), sentence.verdict


def test_an_n_gram_of_any_order_is_named():
    """Regression: a 4-gram was not mentioned, and a model worse than it was called better."""
    text, verdict = first_sentence(
        bits_per_byte=2.0,
        bits_per_byte_interval=None,
        baselines={"ngram4": 1.9, "zstd_primed": 2.1},
        differences={
            "ngram4": {"mean": 0.1, "low": 0.05, "high": 0.15},
            "zstd_primed": {"mean": -0.1, "low": -0.15, "high": -0.05},
        },
    )
    assert "ngram4 (1.900)" in text
    assert verdict == verdicts.LEVEL


@pytest.mark.parametrize("interval", [None, (1.8, 1.95)])
def test_without_a_difference_interval_the_interval_of_the_value_decides(interval):
    """Regression: with one document there is no interval, and a value outside of it was taken for a clear
    difference."""
    text, verdict = first_sentence(
        bits_per_byte=1.9,
        bits_per_byte_interval=interval,
        baselines={"ngram5": 2.0, "zstd_primed": 2.1},
        differences={"ngram5": {"mean": -0.1, "low": None, "high": None}},
    )
    assert "below the 5-gram (2.000) and primed zstd (2.100)" in text
    assert verdict == (verdicts.LEVEL if interval is None else verdicts.BETTER)


def test_the_verdict_on_a_task_follows_its_metric_and_baseline():
    """Regression: the page had its own list of lower-is-better metrics and mentioned no baseline but TF-IDF."""
    found = results()
    task = found["tasks"][0]
    task |= {"metric": "distance", "higher_is_better": False}
    task["scores"] = {
        arm: {"mean": mean} for arm, mean in (("ours", 2.0), ("random_weights", 3.0), ("mean_label", 2.5))
    }
    task["differences"] = {
        "random_weights": {"mean": -1.0, "low": -1.5, "high": -0.5},
        "mean_label": {"mean": -0.5, "low": -0.7, "high": -0.3},
    }
    sentence = outcome(Results.model_validate(found))[-1]
    assert sentence.verdict == verdicts.BETTER
    assert "mean_label" in in_language(sentence.text, "en")
