"""Figures of unknown size keep the digits that count; what a picture does not show is not taken for white."""

from __future__ import annotations

import math

import pytest

from danlu.report.formatting import figure
from danlu.report.pictures import grey_picture
from danlu.report.results import Picture


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.953, "0.953"), (0.00148, "0.00148"), (-0.0123, "−0.0123"), (12.5, "12.500"), (0.0, "0.000"), (None, "–")],
)
def test_three_digits_that_count(value, written):
    assert figure(value) == written


def test_a_small_figure_that_is_no_number():
    assert figure(math.nan) == "NaN"


def test_what_is_hidden_is_tinted_and_white_is_left_out():
    drawn = str(grey_picture(Picture(title="as <shown>", rows=[[0.0, None], [math.nan, 0.5]])))
    assert drawn.count("<rect") == 3
    assert drawn.count('class="hidden"') == 2
    assert 'opacity="0.50"' in drawn
    assert "as &lt;shown&gt;" in drawn
