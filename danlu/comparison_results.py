"""Typed results of a comparison: the schema of `comparison.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from danlu.results import SCHEMA, Difference, ResultPart, Score, Sufficiency, read_validated


class MeasuredScore(Score):
    """A metric of one pre-trained model, with what its confidence interval is computed over."""

    over: str | None = Field(
        default=None, description="What the interval is computed over: training runs, documents or seeds."
    )


class ReferenceDifference(Difference):
    """The paired difference in a metric between a model and the model `reference`."""

    reference: str | None = Field(default=None, validation_alias="from", serialization_alias="from")
    over: str | None = None


class ComparedModel(ResultPart):
    """One of the compared models, with results aggregated over its training runs."""

    name: str
    objective: str
    architecture: str
    parameters: int
    tokens: float
    seconds: float
    operations: float
    bits_per_byte: MeasuredScore | None = None
    text_lost: bool | None = None
    loss: MeasuredScore | None = None
    task: MeasuredScore | None = None
    random_weights: MeasuredScore | None = None
    pretraining_gain: ReferenceDifference | None = None
    differences: dict[str, ReferenceDifference | None] = Field(default_factory=dict)
    task_steps: list[int] = Field(default_factory=list)
    sufficiency: Sufficiency | None = Field(
        default=None,
        description="Of the training that most needs a longer one. None in comparisons of earlier versions.",
    )
    task_sufficiency: Sufficiency | None = Field(default=None, description="The same for the fine-tunings.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Settings in which the models differ.")


class ComparisonTask(ResultPart):
    """The task for which all models are fine-tuned, with the scores of controls over all fine-tuning seeds.

    Further keys are those that the task itself reports (`Task.facts`).
    """

    name: str
    metric: str
    train_rows: int | None = None
    test_rows: int | None = None
    draws: int | None = Field(default=None, description="Number of fine-tuning seeds per training run.")
    controls: dict[str, Score] = Field(default_factory=dict)


class ComparisonResults(ResultPart):
    """The content of `comparison.json`."""

    schema_version: int = Field(default=SCHEMA, validation_alias="schema", serialization_alias="schema")
    seeds: int
    corpus: str | None = None
    models: list[ComparedModel]
    baselines: dict[str, float] | None = None
    task: ComparisonTask | None = None
    budget: str


def read_comparison(path: Path) -> ComparisonResults:
    """Return the results of a comparison; WrongInput names the file and the first key that does not match."""
    return read_validated(ComparisonResults, path)
