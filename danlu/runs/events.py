"""The events that a run reports. Nothing is formatted here; `danlu.console` turns events into text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from danlu.results import ExportResult, ModelResult, Score, Sufficiency, TaskResult
from danlu.training.plan import Plan


@dataclass(frozen=True)
class Event:
    """Base class of the events."""


Emit = Callable[[Event], None]
"""Called with every event of a run."""


def ignore(event: Event) -> None:
    """Drop an event."""


def with_records(emit: Emit, track: Callable[[dict[str, Any]], None]) -> Emit:
    """Return a callback that passes training records to `track` before it emits them."""

    def both(event: Event) -> None:
        if isinstance(event, TrainingProgress):
            track(event.record)
        emit(event)

    return both


def training_progress(emit: Emit) -> Callable[[dict[str, Any], Plan], None]:
    """Return the callback of the training loop that emits its records."""
    return lambda record, plan: emit(TrainingProgress(record, plan))


def never() -> bool:
    """Return False, so that a run is never stopped."""
    return False


@dataclass(frozen=True)
class CorpusRead(Event):
    """The corpus has been read and split."""

    source: str
    layout: str
    documents: int
    bytes: int
    rejected: int
    account: Mapping[str, Any] | None = None  # of the files (danlu/text/account.py); built-in text has none


@dataclass(frozen=True)
class TokenizerReady(Event):
    """The tokenizer has been trained or loaded."""

    kind: str
    entries: int
    bytes_per_token: float


@dataclass(frozen=True)
class TokensCounted(Event):
    """The corpus has been tokenized; `tokens` by split."""

    tokens: Mapping[str, int]


@dataclass(frozen=True)
class TermNotMeasured(Event):
    """A term of the objective has targets in the training split only."""

    model: str
    term: str


@dataclass(frozen=True)
class WarmStarted(Event):
    """The training of a model starts from the saved model in `folder`, whose weights have this SHA-256 digest."""

    model: str
    folder: str
    sha256: str


@dataclass(frozen=True)
class WeightsTransferred(Event):
    """The weights of a saved model have been copied; `facts` are those of `warm_start.initialise_from`."""

    model: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class WeightsIgnored(Event):
    """The weights of some modules of a model folder have been ignored, because danlu does not use them."""

    modules: list[str]


@dataclass(frozen=True)
class TrainingPlanned(Event):
    """The plan of a training has been made: what its budget buys on this machine.

    name: of the model or task; runs: the number of such trainings; units: those of one epoch.
    """

    name: str
    plan: Plan
    units: int
    runs: int = 1


@dataclass(frozen=True)
class TrainingProgress(Event):
    """A record has been written to the training journal; its kind is train, validation, sample or warning."""

    record: dict[str, Any]
    plan: Plan


@dataclass(frozen=True)
class ModelEvaluated(Event):
    """A model has been evaluated on the test split.

    cross_entropies: the terms whose losses are in nats; own_units: whether the units of the objective are not windows
    of documents.
    """

    result: ModelResult
    cross_entropies: frozenset[str]
    own_units: bool


@dataclass(frozen=True)
class ModelExported(Event):
    """A model has been written to its folder."""

    result: ExportResult


@dataclass(frozen=True)
class FineTuningStarted(Event):
    """A saved model is about to be fine-tuned outside the run that trained it."""

    folder: str
    objective: str
    architecture: str
    sha256: str
    rows: str  # description of the task's rows


@dataclass(frozen=True)
class LearningRateChosen(Event):
    """The learning rate of one arm of a task has been chosen on the dev rows; `scores` are by learning rate."""

    task: str
    arm: str
    learning_rate: float
    scores: Mapping[str, float]


@dataclass(frozen=True)
class TaskScored(Event):
    """One arm of a task has been scored over all seeds."""

    task: str
    arm: str
    metric: str
    score: Score


@dataclass(frozen=True)
class TaskJudged(Event):
    """All arms of a task have been scored. `pretraining` judges the length of the model's pre-training, if known."""

    result: TaskResult
    pretraining: Sufficiency | None
