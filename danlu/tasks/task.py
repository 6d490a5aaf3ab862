"""The base class of tasks. A task owns its rows, its loss and everything after the loss.

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
from danlu.metrics.table import DetailTable
from danlu.objective import Objective, refuse_misspelt_members
from danlu.registry import tasks
from danlu.settings import Settings
from danlu.tasks.predictor import Predictor
from danlu.tokens.tokenizer import TextTokenizer
from danlu.training.samples import RowSamples, Samples

DEFAULT_MAX_TOKENS = 128
"""Length in tokens to which `danlu finetune` cuts texts, unless the model's context is shorter."""


@dataclass(frozen=True)
class TaskRows:
    """The rows of a task. Rows are dataclasses of the task's own type."""

    train: tuple[Any, ...]
    dev: tuple[Any, ...]  # for choices such as the learning rate; empty: nothing is chosen
    test: tuple[Any, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON for `rows` in results.json
    assignment: tuple[tuple[str, str], ...] = ()  # (file:line, split) of a table that was split

    def fingerprint(self) -> str:
        """Return a hash of all rows; a run resumes only with the same ones."""
        parts = [[astuple(row) for row in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def describe(self) -> str:
        """Return the size of the splits in words."""
        dev = f"{len(self.dev):,} for development, " if self.dev else ""
        return f"{len(self.train):,} to train on, {dev}{len(self.test):,} to test on"


@dataclass(frozen=True)
class EncodedRow:
    """A row as token ids [L]. A subclass adds the targets."""

    ids: np.ndarray

    @property
    def num_tokens(self) -> int:
        """Positions of the row in all streams."""
        return len(self.ids)


@dataclass(frozen=True)
class Ties:
    """Predictions of a baseline that has several equally good choices; their mean score counts."""

    predictions: tuple[list[Any], ...]


@dataclass(frozen=True)
class Incompatibility:
    """Why a model cannot be fine-tuned for a task."""

    sentence: str
    place: tuple[str, ...]  # the key in the recipe of the task


class Task(Settings, ABC):
    """A task that a pre-trained model is fine-tuned for.

    Abstract members are required. All others have a default. A class that defines a public name close to one of them,
    but not equal to it, is refused when it is defined.
    """

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    hf_head: ClassVar[Head | None] = None
    """The head of the transformers class that fine-tuned models are exported to; None if no class computes the same."""

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings that change what the objective needs, one mapping for each variant."""

    exempt: ClassVar[Mapping[str, str]] = {}
    """Conformance tests that cannot apply by design: {test: reason}."""

    run_name: ClassVar[str | None] = None
    """What `danlu finetune` calls the task in its directory; None: the name of the task."""

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
            WrongInput: with the file and line of what is wrong.
        """

    @abstractmethod
    def predictor(self, rows: TaskRows, pretrained: Objective) -> Predictor:
        """Return what is saved with the weights and answers later. `pretrained` is the objective of pre-training."""

    @abstractmethod
    def inputs(self, rows: Sequence[Any]) -> list[Any]:
        """Return what the predictor is given for each row."""

    @abstractmethod
    def encode(self, selected: Sequence[Any], rows: TaskRows, tokenizer: TextTokenizer) -> Sequence[EncodedRow]:
        """Return some of the rows as token ids and targets; `Sample.row` gives one of them to the objective."""

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """What predictions are scored by; the first is the headline."""

    @abstractmethod
    def score(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, Figure]:
        """Score the predictions for some rows by every one of `metrics`, in their order."""

    # Training

    def sample(self, rows: TaskRows, seed: int) -> Sequence[Any]:
        """Return the training rows of one seed: all of them, unless the task draws a few.

        Raises:
            WrongInput: beginning with the name of the setting, if there are too few rows.
        """
        return rows.train

    def objective(self, rows: TaskRows, pretrained: Objective) -> Objective:
        """Return the objective of fine-tuning."""
        return self.predictor(rows, pretrained).objective()

    def units(
        self, selected: Sequence[Any], rows: TaskRows, tokenizer: TextTokenizer, seed: int, shuffled: bool = True
    ) -> Samples:
        """Return some of the rows as the units of training."""
        encoded = self.encode(selected, rows, tokenizer)
        mean = float(np.mean([row.num_tokens for row in encoded]))
        return RowSamples(encoded, mean, tokenizer.vocabulary, seed, shuffled)

    # After the loss

    def predict(
        self, network: Any, predictor: Predictor, selected: Sequence[Any], tokenizer: TextTokenizer
    ) -> list[Any]:
        """Return the predictions of a fine-tuned network in evaluation mode for some rows, in their order."""
        return predictor.answer(network, tokenizer, self.inputs(selected))

    def baselines(self, train: Sequence[Any], test: Sequence[Any], seed: int) -> Mapping[str, list[Any] | Ties]:
        """Return the predictions for the test rows of what needs no pre-training, by name.

        `train` are the training rows of the seed. Predictions have the form of those of the predictor and are scored
        by the same metrics.
        """
        return {}

    def details(self, rows: Sequence[Any], predictions: Sequence[Any]) -> dict[str, DetailTable]:
        """Return tables about the predictions of the saved model, by name, for results.json and the report."""
        return {}

    def facts(self, rows: TaskRows) -> dict[str, Any]:
        """Return what results.json says about the task in addition to rows and scores."""
        return {}

    # Checks and drafts

    @property
    def required_context(self) -> int:
        """Length in tokens of the longest sequence that the task builds: its setting `max_tokens`, if it has one."""
        return 0

    def check_extras(self) -> None:
        """Raise WrongInput if a library that the task needs is not installed."""
        return

    def check(self, pretrained: Objective, architecture: Any, model: str) -> Incompatibility | None:
        """Return why a model cannot be fine-tuned for the task, or None. `model` is what messages call it."""
        if not pretrained.reads_tokens:
            sentence = f"{model} is trained by {pretrained.name}, which reads no text; name one that does"
            return Incompatibility(sentence, ("model",))
        if (length := self.required_context) > architecture.context:
            sentence = f"{length} is more than the {architecture.context} tokens that {model} reads; at most that"
            return Incompatibility(sentence, ("task", "max_tokens"))
        return None

    @classmethod
    def draft(cls, rows: Mapping[str, Any], settings: Mapping[str, Any], context: int) -> dict[str, Any]:
        """Return the settings that `danlu finetune` starts from.

        Args:
            rows: files and columns, for the setting `rows`.
            settings: other settings that were given.
            context: length in tokens of the longest text that the model reads.
        """
        limit = {"max_tokens": min(DEFAULT_MAX_TOKENS, context)} if "max_tokens" in cls.model_fields else {}
        return {"name": cls.model_fields["name"].default, "rows": dict(rows), **limit, **settings}

    @classmethod
    def usage(cls, folder: str) -> dict[str, Any]:
        """Return how to use a fine-tuned model, as shell commands and a Python program."""
        python = f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.predict(["a text"]))\n'
        return {"shell": [], "python": python}


tasks.base = Task
