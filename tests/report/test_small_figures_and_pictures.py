"""Figures of unknown size keep the digits that count; what a picture does not show is not taken for white."""

from __future__ import annotations

import math

import pytest

from danlu.report.formatting import figure
from danlu.report.phrases import in_language
from danlu.report.pictures import grey_picture
from danlu.report.sections import figure_name
from danlu.results import ObjectiveMetrics, Picture


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.953, "0.953"),
        (0.00148, "0.00148"),
        (-0.0123, "−0.0123"),
        (12.5, "12.500"),
        (0.0, "0.000"),
        (1188, "1,188"),
        (None, "–"),
    ],
)
def test_three_digits_that_count(value, written):
    assert figure(value) == written


@pytest.mark.parametrize(
    ("name", "english", "chinese"),
    [
        ("precision", "precision", "精确率"),
        ("MRR, random weights", "mean reciprocal rank, random weights", "平均倒数排名，随机权重"),
        ("squared error, model", "squared error, model", "平方误差，模型"),
        ("both: precision", "both: precision", "both：精确率"),
        ("sts: Spearman, TF-IDF", "sts: Spearman correlation with human scores, TF-IDF", None),
        ("of one's own", "of one's own", "of one's own"),
    ],
)
def test_the_name_of_a_figure_is_said_in_the_page_s_language(name, english, chinese):
    said = figure_name(name)
    assert in_language(said, "en") == english
    assert in_language(said, "zh") == (chinese or "sts：与人工评分的 Spearman 相关系数，TF-IDF")


def test_a_count_in_the_results_is_written_as_one():
    said = ObjectiveMetrics.model_validate_json(
        '{"figures": {"pairs": 188, "accuracy": 1.0, "halves to find": {"value": 22}}}'
    )
    pairs, accuracy, halves = said.figures.values()
    assert [figure(value) for value in (pairs, accuracy, halves.value)] == ["188", "1.000", "22"]


def test_a_small_figure_that_is_no_number():
    assert figure(math.nan) == "NaN"


def test_what_is_hidden_is_tinted_and_white_is_left_out():
    drawn = str(grey_picture(Picture(title="as <shown>", rows=[[0.0, None], [math.nan, 0.5]])))
    assert drawn.count("<rect") == 3
    assert drawn.count('class="hidden"') == 2
    assert 'opacity="0.50"' in drawn
    assert "as &lt;shown&gt;" in drawn
