"""The base class of tasks. A task defines its rows, its loss, predictions, scores and baselines.

    read() -> rows -> sample() -> encode() -> objective (training) -> predictor().answer() -> score()

A new task is one file in `danlu/tasks/` that defines a `Task` and its `Predictor`, and one import line.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from danlu.hf_heads import Head
from danlu.metrics.metric import Figure, Metric
from danlu.metrics.prediction_example import PredictionExample
from danlu.metrics.table import DetailTable
from danlu.misspelt_members import refuse_misspelt_members
from danlu.objective import Objective
from danlu.registry import tasks
from danlu.settings import Settings
from danlu.tasks.predictor import Predictor
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.samples import RowSamples, Samples

DEFAULT_MAX_TOKENS = 128
"""Length in tokens to which `danlu finetune` truncates texts, unless the model's context is shorter."""


@dataclass(frozen=True)
class TaskRows:
    """The rows of a task. The type of rows is a dataclass that the task defines."""

    train: tuple[Any, ...]
    dev: tuple[Any, ...]  # for model selection, such as the choice of the learning rate; may be empty
    test: tuple[Any, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON for `rows` in results.json
    assignment: tuple[tuple[str, str], ...] = ()  # (file:line, split) of a table that was split

    def fingerprint(self) -> str:
        """Return a hash of all rows; resuming a run requires the same rows."""
        parts = [[astuple(row) for row in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def describe(self) -> str:
        """Return the sizes of the splits in words."""
        dev = f"{len(self.dev):,} for development, " if self.dev else ""
        return f"{len(self.train):,} to train on, {dev}{len(self.test):,} to test on"


@dataclass(frozen=True)
class EncodedRow:
    """A row as token ids. Subclasses add the targets."""

    ids: np.ndarray  # [L]

    @property
    def num_tokens(self) -> int:
        """Number of positions of the row in all streams."""
        return len(self.ids)


@dataclass(frozen=True)
class Ties:
    """Alternative predictions of a baseline with several equally good choices; their mean score is reported."""

    predictions: tuple[list[Any], ...]


@dataclass(frozen=True)
class Incompatibility:
    """Why a model cannot be fine-tuned for a task."""

    sentence: str
    place: tuple[str, ...]  # the key in the recipe of the task


class Task(Settings, ABC):
    """A task that a pre-trained model is fine-tuned for.

    Abstract members are required. All others have a default. Defining a public name that is almost equal to one of them
    raises TypeError, since it is probably misspelt.
    """

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    hf_head: ClassVar[Head | None] = None
    """The Hugging Face head of fine-tuned models, for export; None if no Hugging Face class implements it."""

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings that change what the objective needs, one mapping for each variant."""

    exempt: ClassVar[Mapping[str, str]] = {}
    """Conformance tests that cannot apply by design: {test: reason}."""

    run_name: ClassVar[str | None] = None
    """Name of the task in the run directory of `danlu finetune`; None: the name of the task."""

    input_blind: ClassVar[frozenset[str]] = frozenset()
    """Baselines that ignore the input; no paired difference from them is reported."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        refuse_misspelt_members(cls, Task)

    # Required

    @abstractmethod
    def read(self) -> TaskRows:
        """Read all rows.

        Raises:
            WrongInput: with the file and line of an invalid row.
        """

    @abstractmethod
    def predictor(self, rows: TaskRows, pretrained: Objective) -> Predictor:
        """Return the predictor to save with the weights. `pretrained` is the objective of pre-training."""

    @abstractmethod
    def inputs(self, rows: Sequence[Any]) -> list[Any]:
        """Return the input of the predictor for each row."""

    @abstractmethod
    def encode(self, selected: Sequence[Any], rows: TaskRows, tokenizer: TextTokenizer) -> Sequence[EncodedRow]:
        """Return the selected rows as token ids and targets; the objective gets one of them from `Sample.row`."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of the task; the first one is the headline metric."""

    @abstractmethod
    def score(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, Figure]:
        """Score the predictions for the given rows by all `metrics`, in their order."""

    # Training

    def sample(self, rows: TaskRows, seed: int) -> Sequence[Any]:
        """Return the training rows of one seed; by default all of them.

        Raises:
            WrongInput: if there are too few rows; the message begins with the name of the setting.
        """
        return rows.train

    def objective(self, rows: TaskRows, pretrained: Objective) -> Objective:
        """Return the objective of fine-tuning."""
        return self.predictor(rows, pretrained).objective()

    def units(
        self, selected: Sequence[Any], rows: TaskRows, tokenizer: TextTokenizer, seed: int, shuffled: bool = True
    ) -> Samples:
        """Return the selected rows as training samples."""
        encoded = self.encode(selected, rows, tokenizer)
        mean = float(np.mean([row.num_tokens for row in encoded]))
        return RowSamples(encoded, mean, tokenizer.vocabulary, seed, shuffled)

    # After the loss

    def predict(
        self, network: Any, predictor: Predictor, selected: Sequence[Any], tokenizer: TextTokenizer
    ) -> list[Any]:
        """Return the predictions of a fine-tuned network in evaluation mode for the selected rows, in their order."""
        return predictor.answer(network, tokenizer, self.inputs(selected))

    def baselines(self, train: Sequence[Any], test: Sequence[Any], seed: int) -> Mapping[str, list[Any] | Ties]:
        """Return the predictions of baselines without pre-training for the test rows, by name of the baseline.

        `train` are the training rows of the seed. Predictions have the same form as those of the predictor and are
        scored by the same metrics.
        """
        return {}

    def details(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, DetailTable]:
        """Return tables about the predictions of the saved model, by name, for results.json and the report."""
        return {}

    def wrong_examples(self, rows: Sequence[Any], predictions: Sequence[Any]) -> list[PredictionExample]:
        """Return test rows that the saved model predicts wrongly, for results.json and the report."""
        return []

    def facts(self, rows: TaskRows) -> dict[str, Any]:
        """Return keys of the task in results.json, in addition to rows and scores."""
        return {}

    # Checks and drafts

    @property
    def required_context(self) -> int:
        """Length in tokens of the task's longest sequence; 0 if sequences adapt to the context of the model."""
        return 0

    def check_extras(self) -> None:
        """Raise WrongInput if a library that the task needs is not installed."""
        return

    def check(self, pretrained: Objective, architecture: Any, model: str) -> Incompatibility | None:
        """Return why a model cannot be fine-tuned for the task, or None; messages call the model `model`."""
        if not pretrained.reads_tokens:
            sentence = f"{model} is trained by {pretrained.name}, which reads no text; name one that does"
            return Incompatibility(sentence, ("model",))
        if (length := self.required_context) > architecture.context:
            sentence = f"{length} exceeds the context of {model}; lower it to at most {architecture.context}"
            return Incompatibility(sentence, ("task", "max_tokens"))
        return None

    @classmethod
    def draft(cls, rows: Mapping[str, Any], settings: Mapping[str, Any], context: int) -> dict[str, Any]:
        """Return the settings that `danlu finetune` starts from.

        Args:
            rows: files and columns, for the setting `rows`.
            settings: other settings that were given.
            context: context of the model, in tokens.
        """
        limit = {"max_tokens": min(DEFAULT_MAX_TOKENS, context)} if "max_tokens" in cls.model_fields else {}
        return {"name": cls.model_fields["name"].default, "rows": dict(rows), **limit, **settings}

    @classmethod
    def usage(cls, folder: str) -> dict[str, Any]:
        """Return examples of the use of a fine-tuned model: shell commands and a Python program."""
        python = f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.predict(["a text"]))\n'
        return {"shell": [], "python": python}


tasks.base = Task
