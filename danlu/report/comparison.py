"""The page of a comparison, from `comparison.json`. No number is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from danlu.comparison_results import (
    ComparedModel,
    ComparisonResults,
    MeasuredScore,
    ReferenceDifference,
    read_comparison,
)
from danlu.durable import write_text
from danlu.report.chart_dots import dot_chart
from danlu.report.page import hash_of, page_script, printable
from danlu.report.phrases import Text, phrase, word
from danlu.report.template_environment import environment
from danlu.report.too_short import short_comparison


@dataclass(frozen=True)
class Row:
    """A model or a baseline in a table."""

    label: Text
    score: MeasuredScore
    difference: ReferenceDifference | None = None
    gain: ReferenceDifference | None = None
    model: bool = True


@dataclass(frozen=True)
class FigureView:
    """One metric of all models and baselines."""

    id: str
    title: Text
    explain: list[Text]
    rows: list[Row]
    reference: str
    chart: Markup
    gains: bool = False

    @property
    def tests(self) -> int:
        return sum(bool(found) and found.low is not None for row in self.rows for found in (row.difference, row.gain))


def write_comparison(folder: Path, language: str = "en") -> Path:
    """Write `comparison.html` next to `comparison.json`, with both languages in one file."""
    found = read_comparison(folder / "comparison.json")
    figures = [figure for figure in (bits_figure(found), task_figure(found), gain_figure(found)) if figure.rows]
    script = page_script()
    page = (
        environment()
        .get_template("comparison.html.j2")
        .render(
            language=language,
            title=" / ".join(model.name for model in found.models),
            found=found,
            figures=figures,
            without_bits=[*too_short(found), *without_bits(found)],
            settings=list(found.models[0].settings),
            script=Markup(script),
            script_hash=hash_of(script),
        )
    )
    write_text(folder / "comparison.html", printable(page))
    return folder / "comparison.html"


def figure_of(name: str, title: Text, explain: list[Text], rows: list[Row], gains: bool = False) -> FigureView:
    reference = next((row.difference.reference for row in rows if row.difference and row.difference.reference), "")
    ours = [row.label for row in rows if row.model]
    chart = dot_chart([(row.label, row.score) for row in rows], name, ours) if rows else Markup("")
    return FigureView(name, title, explain, rows, reference or "", chart, gains)


def bits_figure(found: ComparisonResults) -> FigureView:
    rows = [
        Row(model.name, model.bits_per_byte, model.differences.get("bits_per_byte"))
        for model in found.models
        if model.bits_per_byte
    ]
    if rows:
        controls = sorted((found.baselines or {}).items(), key=lambda item: item[1])
        rows += [Row(word("baseline", name), MeasuredScore(mean=value), model=False) for name, value in controls]
    return figure_of("bits", phrase("bits.title"), [phrase("compare.bits")], rows)


def too_short(found: ComparisonResults) -> list[Text]:
    """Return which models were trained too briefly to be compared, one sentence per model, and what would be enough."""
    found_short = (short_comparison(model.name, model.sufficiency, model.task_sufficiency) for model in found.models)
    return [sentence for sentence in found_short if sentence is not None]


def without_bits(found: ComparisonResults) -> list[Text]:
    """Return why some models have no bits per byte, one sentence per reason."""
    lost = [model.name for model in found.models if model.text_lost]
    undefined = [model.name for model in found.models if model.bits_per_byte is None and not model.text_lost]
    reasons = (("compare.text_lost", lost), ("compare.no_likelihood", undefined))
    return [phrase(key, names=", ".join(names)) for key, names in reasons if names]


def task_figure(found: ComparisonResults) -> FigureView:
    task = found.task
    if task is None:
        return figure_of("task", "", [], [])
    rows = [
        Row(model.name, model.task, model.differences.get("task"), model.pretraining_gain)
        for model in found.models
        if model.task
    ]
    for name, score in task.controls.items():
        rows.append(Row(word("condition", name), MeasuredScore.model_validate(score.model_dump()), model=False))
    title = phrase("compare.task", name=task.name, metric=word("metric", task.metric))
    explain = [phrase("compare.task_explain", draws=str(task.draws)), *steps_of(found.models)]
    return figure_of("task", title, explain, rows, gains=True)


def steps_of(models: list[ComparedModel]) -> list[Text]:
    """Return the sentence on the number of fine-tuning steps, which can differ within a time budget."""
    counts = [steps for model in models for steps in model.task_steps]
    if not counts:
        return []
    if min(counts) == max(counts):
        return [phrase("compare.steps_alike", steps=str(counts[0]))]
    each = "; ".join(f"{model.name} {', '.join(map(str, model.task_steps))}" for model in models)
    return [phrase("compare.steps_apart", least=str(min(counts)), most=str(max(counts)), each=each)]


def gain_figure(found: ComparisonResults) -> FigureView:
    """Return the table of scores of each architecture from random weights."""
    rows = [
        Row(model.name, model.random_weights, model=False) for model in found.models if model.random_weights is not None
    ]
    return figure_of("random", phrase("compare.random"), [phrase("compare.random_explain")], rows)
