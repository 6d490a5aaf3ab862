"""The first sentences of the page claim what the figures show, and no more."""

from __future__ import annotations

import pytest
from synthetic_run_folder import results

from danlu.report import verdicts
from danlu.report.outcome import outcome
from danlu.report.phrases import in_language
from danlu.results import Results


def first_sentence(**changed):
    """Of a run whose model of likelihood has other entries than the synthetic one."""
    found = results()
    found["pretrain"][0] |= changed
    sentence = outcome(Results.model_validate(found))[0]
    return in_language(sentence.text, "en"), sentence.verdict


def test_an_n_gram_of_any_order_is_named():
    """Of the 4-gram nothing was said, and a model behind it was called better."""
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
def test_without_a_measured_difference_only_an_interval_makes_it_clear(interval):
    """One document gives no interval, and that the value lay in none was taken for clear."""
    text, verdict = first_sentence(
        bits_per_byte=1.9,
        bits_per_byte_interval=interval,
        baselines={"ngram5": 2.0, "zstd_primed": 2.1},
        differences={"ngram5": {"mean": -0.1, "low": None, "high": None}},
    )
    assert "below the 5-gram (2.000) and primed zstd (2.100)" in text
    assert verdict == (verdicts.LEVEL if interval is None else verdicts.BETTER)


def test_a_task_is_judged_by_the_direction_of_its_metric_and_the_baseline_it_has():
    """The page had its own list of metrics that should be low, and spoke of no baseline but TF-IDF."""
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
