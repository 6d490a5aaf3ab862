"""Dot chart of scores with intervals: one row each for the model and its baselines, with a small dot per seed."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from markupsafe import Markup

from danlu.report.chart_bars import WIDTHS
from danlu.report.drawing import CONTROL, INK, MUTED, OURS, RULE, Drawing, drawing, svg
from danlu.report.formatting import with_interval
from danlu.report.phrases import Text, word
from danlu.results import Score

ROW = 52
FIRST = ("ours", "random_weights")  # the baselines follow in the order of the task


def rows_of(scores: dict[str, Score | None]) -> list[tuple[str, Score]]:
    names = [name for name in FIRST if name in scores] + [name for name in scores if name not in FIRST]
    return [(name, score) for name in names if (score := scores[name]) is not None]


def dot_chart(rows: Sequence[tuple[Text, Score]], name: str, ours: Collection[Text] = ("ours",)) -> Markup:
    """Draw the rows; those in `ours` have the colour of trained models, the others that of baselines."""
    return Markup("").join(draw(rows, f"{name}--{form}", form, ours) for form in WIDTHS)


def draw(rows: Sequence[tuple[Text, Score]], name: str, form: str, ours: Collection[Text]) -> Markup:
    figures = [value for _, score in rows for value in (score.mean, score.low, score.high, *score.seeds)]
    figures = [value for value in figures if value is not None and math.isfinite(value)] or [0.0, 1.0]
    room = (max(figures) - min(figures)) * 0.06 or 0.05
    with drawing(WIDTHS[form], ROW * len(rows) + 40) as drawn:
        axes = drawn.axes(left=1, top=6, right=1, bottom=30)
        axes.set_xlim(min(figures) - room, max(figures) + room)
        axes.set_ylim(len(rows), 0)
        axes.set_yticks([])
        axes.locator_params(axis="x", nbins=8 if form == "wide" else 5)
        axes.tick_params(axis="x", length=0, pad=8)
        axes.spines["bottom"].set_visible(True)
        for row, (condition, score) in enumerate(rows):
            draw_row(drawn, axes, row, condition, score, condition in ours)
        return svg(drawn, name, form)


def draw_row(drawn: Drawing, axes, row: int, condition: Text, score: Score, ours: bool) -> None:
    """Draw the name and value above, the interval on a line below them."""
    colour, weight = (OURS, "bold") if ours else (CONTROL, "normal")
    middle = row + 0.62
    axes.axhline(middle, color=RULE, linewidth=1, zorder=0)
    if score.low is not None and score.high is not None:
        axes.plot([score.low, score.high], [middle, middle], color=colour, linewidth=3, clip_on=False)
    axes.plot(
        score.seeds, [middle + 0.19] * len(score.seeds), "o", color=colour, alpha=0.55, markersize=6,
        markeredgewidth=0, clip_on=False,
    )  # fmt: skip
    axes.plot([score.mean], [middle], "o", color=colour, markersize=9, clip_on=False)
    left, right = axes.get_xlim()
    label = word("condition", condition) if isinstance(condition, str) else condition
    ink = INK if ours else MUTED
    drawn.add_text(axes, left, row + 0.26, label, va="center", color=ink, weight=weight)
    value = with_interval(score.mean, (score.low, score.high))
    drawn.add_text(axes, right, row + 0.26, value, va="center", ha="right", color=ink, weight=weight)
