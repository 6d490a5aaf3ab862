"""Training curves: loss, bits per byte with baselines, fine-tuning loss and its metric on the dev rows."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from markupsafe import Markup

from danlu.report.drawing import INK, MUTED, OURS, RULE, SECOND, Drawing, drawing, svg
from danlu.report.formatting import number, short_count
from danlu.report.phrases import Text, phrase, word
from danlu.report.training_log import Metrics, Record, downsample, records_of
from danlu.results import ModelResult

WIDTH, HEIGHT = 370, 260
MAX_POINTS = 500
LABEL_GAP = 16  # pixels between two labels at the edge


@dataclass(frozen=True)
class Curve:
    """A line through measured points; `marked` draws a dot at each point."""

    points: list[tuple[float, float]]
    colour: str
    marked: bool = False
    faint: bool = False


def loss_curves(metrics: Metrics, model: ModelResult) -> list[Curve]:
    train = points(records_of(metrics, f"pretrain/{model.name}", "train"), "loss")
    validation = points(records_of(metrics, f"pretrain/{model.name}", "validation"), "loss")
    return [Curve(train, SECOND), Curve(validation, OURS, marked=True)]


def bits_curve(metrics: Metrics, model: ModelResult) -> Curve:
    return Curve(
        points(records_of(metrics, f"pretrain/{model.name}", "validation"), "bits_per_byte"), OURS, marked=True
    )


def points(records: list[Record], name: str) -> list[tuple[float, float]]:
    """Return (tokens, value) where both were recorded."""
    found = [(record.tokens, getattr(record, name)) for record in records]
    return downsample([(x, y) for x, y in found if x is not None and y is not None and math.isfinite(y)], MAX_POINTS)


def tokens_at_best(metrics: Metrics, model: ModelResult) -> int | None:
    """Return the number of tokens at the best step, if a record of that step has it."""
    records = [record for record in metrics.records if record.stage == f"pretrain/{model.name}"]
    return next((r.tokens for r in records if r.step == model.best_step and r.tokens is not None), None)


def finetune_curves(metrics: Metrics, task: str, kind: str, value: str) -> list[Curve]:
    """Return the curve of every seed by step, from random and from pre-trained weights, without empty ones.

    Args:
        kind: kind of the records, "train" or "validation" (on the dev rows).
        value: field of the records.
    """
    curves = []
    for arm, colour in (("random_weights", SECOND), ("ours", OURS)):
        for stage in seeds_of(metrics, f"finetune/{task}/{arm}"):
            found = [(float(record.step), record.measured(value)) for record in records_of(metrics, stage, kind)]
            line = [(step, y) for step, y in found if y is not None and math.isfinite(y)]
            if line:
                curves.append(Curve(downsample(line, MAX_POINTS), colour, faint=True))
    return curves


def seeds_of(metrics: Metrics, arm: str) -> list[str]:
    """Return the stages `arm-SEED`, by seed; trainings that only choose a learning rate have other names."""
    found = {record.stage for record in metrics.records if re.fullmatch(rf"{re.escape(arm)}-\d+", record.stage)}
    return sorted(found, key=lambda stage: int(stage.rpartition("-")[2]))


def curve_chart(
    curves: list[Curve], name: str, across: Text, best: tuple[float, int] | None = None,
    baselines: dict[str, float] | None = None, top: float | None = None,
) -> Markup:  # fmt: skip
    """Draw curves.

    Args:
        best: the position of the best checkpoint and its step.
        baselines: horizontal lines, labelled at the right edge.
    """
    with drawing(WIDTH, HEIGHT) as drawn:
        axes = drawn.axes(left=44, top=26, right=112 if baselines else 14, bottom=46)
        for curve in curves:
            draw_curve(axes, curve)
        style_axes(axes, curves, baselines or {}, top)
        axes.set_xlabel(drawn.placeholder(across), fontsize=12, labelpad=6)
        if best:
            draw_best(drawn, axes, *best)
        draw_baselines(drawn, axes, baselines or {})
        return svg(drawn, name, "panel")


def axis_limit(curve: Curve, baselines: dict[str, float]) -> float | None:
    """Return an upper limit of the axis that shows how the curve approaches the baselines; None if everything fits.

    Without a limit, the bits per byte of the untrained model would compress the rest of the curve.
    """
    lowest = min(y for _, y in curve.points)
    top = round(max(1.6 * min([lowest, *baselines.values()]), 1.25 * lowest), 1)
    return top if max([y for _, y in curve.points] + list(baselines.values())) > top else None


def draw_curve(axes, curve: Curve) -> None:
    if not curve.points:
        return
    across, up = zip(*curve.points, strict=True)
    marker = "o" if curve.marked else None
    axes.plot(
        across, up, color=curve.colour, linewidth=1.8 if curve.marked else 1.3, marker=marker, markersize=4,
        markeredgewidth=0, alpha=0.6 if curve.faint else 1.0,
    )  # fmt: skip


def style_axes(axes, curves: list[Curve], baselines: dict[str, float], top: float | None) -> None:
    """Set the axis line, the grid, and limits that contain every point and baseline up to `top`."""
    up = [y for curve in curves for _, y in curve.points] + list(baselines.values())
    across = [x for curve in curves for x, _ in curve.points]
    room = (max(up) - min(up)) * 0.06 or 0.1
    axes.set_ylim(min(up) - room, max(up) + room)
    if top is not None:
        low = min(up) - (top - min(up)) * 0.06
        axes.set_ylim(low, top)
    axes.set_xlim(0, max(across) * 1.03 or 1)
    axes.locator_params(nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: short_count(value) if value else "0")
    axes.tick_params(length=0, pad=6)
    axes.spines["bottom"].set_visible(True)
    if not baselines:
        axes.grid(axis="y", color=RULE)
        axes.set_axisbelow(True)


def draw_best(drawn: Drawing, axes, tokens: float, step: int) -> None:
    axes.axvline(tokens, color=INK, linewidth=1, linestyle=(0, (2, 3)))
    left, right = axes.get_xlim()
    # Place the label on the side that has room for it.
    side = "right" if tokens > (left + right) / 2 else "left"
    drawn.add_text(
        axes, tokens, 1.03, phrase("curves.best_here", step=str(step)), ha=side, va="bottom",
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip


def draw_baselines(drawn: Drawing, axes, baselines: dict[str, float]) -> None:
    low, high = axes.get_ylim()
    named = sorted(((name, value) for name, value in baselines.items() if value <= high), key=lambda item: item[1])
    gap = LABEL_GAP * (high - low) / (axes.get_position().height * HEIGHT)
    places = spread([value for _, value in named], gap)
    for (name, value), place in zip(named, places, strict=True):
        axes.axhline(value, color=MUTED, linewidth=1, linestyle=(0, (5, 3)))
        axes.annotate(
            drawn.placeholder(phrase("curves.baseline", name=short_name(name), value=number(value, 2))),
            (1.02, place), xycoords=axes.get_yaxis_transform(), va="center", color=MUTED, annotation_clip=False,
        )  # fmt: skip


def short_name(baseline: str) -> Text:
    """Return the short name of a baseline."""
    short = word("short_baseline", baseline)
    return word("baseline", baseline) if isinstance(short, str) else short


def spread(values: list[float], gap: float) -> list[float]:
    """Move ascending values as little as needed to keep neighbours `gap` apart, around the centre of each cluster."""
    clusters: list[tuple[float, int]] = []  # (mean position, number of values)
    for value in values:
        clusters.append((value, 1))
        while len(clusters) > 1:
            (below, few), (above, more) = clusters[-2:]
            if above - below >= gap * (few + more) / 2:
                break
            clusters[-2:] = [((below * few + above * more) / (few + more), few + more)]
    return [middle + (i - (many - 1) / 2) * gap for middle, many in clusters for i in range(many)]
