"""The content of the task section: scores, curves, tables and wrong predictions of each fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from danlu.metrics.table import DetailTable
from danlu.report import verdicts
from danlu.report.chart_dots import dot_chart, rows_of
from danlu.report.panels import Panel, task_panels
from danlu.report.training_log import Metrics
from danlu.results import Difference, Results, Score, TaskResult


@dataclass(frozen=True)
class TaskRow:
    """A pre-trained model or a baseline in the table of a task."""

    name: str
    score: Score
    difference: Difference | None
    verdict: str | None


@dataclass(frozen=True)
class TaskView:
    """The chart and tables of a task."""

    id: str
    facts: TaskResult
    rows: list[TaskRow]
    chart: Markup | None
    panels: list[Panel]

    @property
    def learning_rate(self) -> float | None:
        """The learning rate that the dev rows chose for the pre-trained model; None without dev rows."""
        ours = (self.facts.chosen_by_dev or {}).get("ours")
        return ours.learning_rate if ours else None

    @property
    def metrics(self) -> list[str]:
        """Every metric that some arm was scored by."""
        return list(dict.fromkeys(metric for figures in self.facts.figures.values() for metric in figures))

    @property
    def metric_table(self) -> DetailTable:
        """All metrics of the arms that were fine-tuned."""
        metrics = self.metrics
        rows = {arm: tuple(found.get(m) for m in metrics) for arm, found in self.facts.figures.items()}
        return DetailTable(tuple(metrics), rows)


def tasks(results: Results, metrics: Metrics) -> list[TaskView]:
    found = []
    for i, task in enumerate(results.tasks):
        scores = rows_of(task.scores)
        rows = [
            TaskRow(name, score, difference, verdicts.of_task(task, difference))
            for name, score in scores
            for difference in (task.differences.get(name),)
        ]
        chart = dot_chart(scores, f"task-{i}") if scores else None
        found.append(TaskView(f"task-{i}", task, rows, chart, task_panels(i, task, metrics)))
    return found
