"""The charts of training curves, with their titles, legends and notes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from danlu.report.chart_curves import axis_limit, bits_curve, curve_chart, finetune_curves, loss_curves, tokens_at_best
from danlu.report.formatting import number
from danlu.report.phrases import Text, phrase, word
from danlu.report.training_log import Metrics
from danlu.results import ModelResult, Results, TaskResult


@dataclass(frozen=True)
class Panel:
    """A chart of training curves."""

    id: str
    title: Text
    chart: Markup
    key: Sequence[tuple[str, Text]]  # the legend: colour name in page.css and label
    notes: tuple[Text, ...]


def pretraining_panels(results: Results, metrics: Metrics) -> list[Panel]:
    return [panel for i, model in enumerate(results.pretrain) for panel in model_panels(i, model, metrics)]


def model_panels(i: int, model: ModelResult, metrics: Metrics) -> list[Panel]:
    across = phrase("curves.across_tokens")
    at_best = tokens_at_best(metrics, model)
    best = (at_best, model.best_step) if at_best is not None and model.best_step is not None else None
    dotted = (phrase("curves.dotted"),) if best else ()
    found = []
    loss = loss_curves(metrics, model)
    if any(curve.points for curve in loss):
        key = [("second", phrase("curves.train")), ("ours", phrase("curves.validation"))]
        chart = curve_chart(loss, f"loss-{i}", across, best)
        title = phrase("curves.loss", name=model.name)
        found.append(Panel(f"loss-{i}", title, chart, key, (phrase("curves.loss_caption"), *dotted)))
    curve = bits_curve(metrics, model)
    if curve.points:
        baselines = model.finite_validation_baselines()
        top = axis_limit(curve, baselines)
        chart = curve_chart([curve], f"curve-{i}", across, best, baselines, top)
        title = phrase("curves.bits", name=model.name)
        key = [("ours", phrase("curves.validation"))]
        notes = (phrase("curves.bits_caption"), *frame_notes(baselines, top))
        found.append(Panel(f"curve-{i}", title, chart, key, notes + dotted))
    return found


def frame_notes(baselines: dict[str, float], top: float | None) -> list[Text]:
    """Return a note that the axis is truncated, with the baselines above its end."""
    if top is None:
        return []
    above: list[Text] = [
        phrase("curves.baseline", name=word("baseline", name), value=number(value, 2))
        for name, value in baselines.items()
        if value > top
    ]
    return [
        phrase("curves.above", names=above, top=number(top, 1)) if above else phrase("curves.frame", top=number(top, 1))
    ]


def task_panels(i: int, task: TaskResult, metrics: Metrics) -> list[Panel]:
    """Return the training loss of all seeds and, with dev rows, the headline metric on them."""
    across, found = phrase("curves.across_steps"), []
    key = [("ours", phrase("curves.ours")), ("second", phrase("curves.random"))]
    if loss := finetune_curves(metrics, task.name, "train", "loss"):
        title, note = phrase("curves.finetune", name=task.name), phrase("curves.finetune_caption")
        found.append(Panel(f"finetune-{i}", title, curve_chart(loss, f"finetune-{i}", across), key, (note,)))
    if dev := finetune_curves(metrics, task.name, "validation", task.metric):
        metric = word("metric", task.metric)
        title, note = phrase("curves.dev", name=task.name, metric=metric), phrase("curves.dev_caption")
        found.append(Panel(f"dev-{i}", title, curve_chart(dev, f"dev-{i}", across), key, (note,)))
    return found
