"""Bar chart of bits per byte: models and baselines."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from danlu.report.drawing import CONTROL, GROUND, INK, MUTED, OURS, RULE, drawing, svg
from danlu.report.formatting import number
from danlu.report.phrases import Text, word
from danlu.results import ModelResult, finite

WIDTHS = {"wide": 896, "narrow": 330}  # one drawing for screens and paper, one for phones, so that text keeps its size
ROW = 44


@dataclass(frozen=True)
class Bar:
    label: Text
    value: float
    ends: tuple[float, float] | None
    ours: bool


def bars_of(models: list[ModelResult]) -> list[Bar]:
    """Return the bars of the models, followed by those of their common baselines."""
    bars = [
        Bar(model.name, model.bits_per_byte, interval_of(model), True)
        for model in models
        if finite(model.bits_per_byte)
    ]
    controls = [Bar(word("baseline", name), value, None, False) for name, value in models[0].finite_baselines().items()]
    return sorted(bars, key=lambda bar: bar.value) + sorted(controls, key=lambda bar: bar.value)


def interval_of(model: ModelResult) -> tuple[float, float] | None:
    ends = model.bits_per_byte_interval
    return ends if ends and finite(ends[0]) and finite(ends[1]) else None


def bar_chart(bars: list[Bar], name: str) -> Markup:
    return Markup("").join(draw(bars, f"{name}--{form}", form) for form in WIDTHS)


def draw(bars: list[Bar], name: str, form: str) -> Markup:
    width = WIDTHS[form]
    most = max(max(bar.value, *(bar.ends or ())) if bar.ends else bar.value for bar in bars)
    with drawing(width, ROW * len(bars) + 8) as drawn:
        axes = drawn.axes(left=1, top=4, right=60, bottom=4)
        axes.set_xlim(0, most or 1)
        axes.set_ylim(len(bars), 0)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.axvline(0, color=RULE, linewidth=1, clip_on=False)
        for row, bar in enumerate(bars):
            draw_bar(drawn, axes, row, bar)
        return svg(drawn, name, form)


def draw_bar(drawn, axes, row: int, bar: Bar) -> None:
    """Draw a bar with its label above and its value at the end."""
    middle = row + 0.68
    axes.barh(middle, bar.value, height=0.4, color=OURS if bar.ours else CONTROL, clip_on=False)
    end = bar.value
    if bar.ends:
        low, high = bar.ends
        # The halo keeps the part of the whisker that lies on the bar visible.
        axes.plot([low, high], [middle, middle], color=GROUND, linewidth=5, solid_capstyle="butt", clip_on=False)
        axes.plot([low, high], [middle, middle], color=INK, linewidth=1.6, solid_capstyle="butt", clip_on=False)
        end = max(end, high)
    weight = "bold" if bar.ours else "normal"
    drawn.add_text(axes, 0, row + 0.24, bar.label, va="center", color=INK if bar.ours else MUTED, weight=weight)
    axes.annotate(
        number(bar.value), (end, middle), (7, 0), textcoords="offset points", va="center",
        weight=weight, annotation_clip=False,
    )  # fmt: skip


def groups(models: list[ModelResult]) -> list[list[ModelResult]]:
    """Group models with the same baselines into one chart."""
    found: list[list[ModelResult]] = []
    for model in models:
        if model.bits_per_byte is None:
            continue
        for group in found:
            if group[0].baselines == model.baselines:
                group.append(model)
                break
        else:
            found.append([model])
    return found
