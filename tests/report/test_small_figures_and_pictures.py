"""Figures of any magnitude keep their significant digits; hidden pixels of a picture are not shown as white."""

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
def test_figures_have_three_significant_digits(value, written):
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
def test_figure_names_are_translated(name, english, chinese):
    found = figure_name(name)
    assert in_language(found, "en") == english
    assert in_language(found, "zh") == (chinese or "sts：与人工评分的 Spearman 相关系数，TF-IDF")


def test_counts_are_written_without_decimals():
    found = ObjectiveMetrics.model_validate_json(
        '{"figures": {"pairs": 188, "accuracy": 1.0, "halves to find": {"value": 22}}}'
    )
    pairs, accuracy, halves = found.figures.values()
    assert [figure(value) for value in (pairs, accuracy, halves.value)] == ["188", "1.000", "22"]


def test_nan_is_written_as_nan():
    assert figure(math.nan) == "NaN"


def test_hidden_pixels_are_tinted_and_white_ones_left_out():
    drawn = str(grey_picture(Picture(title="as <shown>", rows=[[0.0, None], [math.nan, 0.5]])))
    assert drawn.count("<rect") == 3
    assert drawn.count('class="hidden"') == 2
    assert 'opacity="0.50"' in drawn
    assert "as &lt;shown&gt;" in drawn
