"""Typed results: the schema of `results.json`.

`Results.model_json_schema()` is the JSON schema. Unknown keys are kept, since later versions may add keys.
"""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_serializer

from danlu.durable import read_json, write_json
from danlu.errors import WrongInput
from danlu.metrics.prediction_example import PredictionExample
from danlu.metrics.table import DetailTable

SCHEMA = 1
"""Version of the schema, stored under the key `schema`, also in `comparison.json`."""

Number = int | float
Written = TypeVar("Written", bound="ResultPart")


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a finite number to plot or compare; training that diverged leaves NaN."""
    return value is not None and math.isfinite(value)


class ResultPart(BaseModel):
    """Base class of the results. Missing keys take their defaults; only keys that were set are written."""

    model_config = ConfigDict(extra="allow", frozen=True, populate_by_name=True)

    def json_facts(self) -> dict[str, Any]:
        """Return the content as JSON, without the keys that were never set."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


class SplitSize(ResultPart):
    """Size of one split of the corpus."""

    documents: int | None = None
    bytes: int | None = None
    characters: int | None = None
    tokens: int | None = None


class DocumentCounts(ResultPart):
    """Numbers of documents read, kept and rejected; rejections by reason."""

    seen: int | None = Field(default=None, validation_alias="in", serialization_alias="in")
    kept: int | None = None
    rejected: dict[str, int] = {}


class SplitShare(ResultPart):
    """A number of documents, and their share of the split or of the compared documents of the split."""

    documents: int | None = None
    share: float | None = None


class NearDuplicates(ResultPart):
    """Held-out documents with a near-duplicate in the training set (test documents: also in validation), by split."""

    threshold: float | None = None
    rule: str | None = None
    compared: dict[str, SplitShare] = {}
    found: dict[str, SplitShare] = {}
    examples: list[Any] = []


class NotRead(ResultPart):
    """A part of the source that was not read: files of a kind, or records of a kind of file, for one reason."""

    reason: str
    kind: str = Field(default="", description="Suffix of the files.")
    text: bool = Field(default=True, description="Whether it is text, or may contain some.")
    files: int = Field(default=0, description="Files of which nothing was read.")
    bytes: int = 0
    records: int = 0
    in_files: int = Field(default=0, description="Files of which something was not read for this reason.")
    example: str = Field(default="", description="One of the files.")
    fields: list[str] = Field(default=[], description="Fields that were found instead of the one with the text.")
    advice: str = ""
    command: str = Field(default="", description="The setting or command with which it is read.")


class FilesRead(ResultPart):
    """Number of files of which something was read, and the bytes that were read of them."""

    files: int | None = None
    bytes: int | None = None


class SourceAccount(ResultPart):
    """Which bytes on disk of the source were read: `read` and `not_read` add up to `bytes`."""

    files: int | None = None
    bytes: int | None = None
    read: FilesRead = FilesRead()
    not_read: list[NotRead] = []
    readable_bytes: int | None = None
    lost_bytes: int | None = None
    lost_share: float | None = Field(default=None, description="`lost_bytes` / `readable_bytes`.")
    fields: list[dict[str, Any]] = Field(default=[], description="The fields of text and labels of files of records.")
    notes: list[str] = Field(default=[], description="Remarks on how single files are read.")


class CorpusFacts(ResultPart):
    """The corpus, with the content of its `corpus.json`."""

    source: str | None = None
    layout: str | None = None
    files: list[dict[str, Any]] = []
    account: SourceAccount | None = None
    documents: DocumentCounts | None = None
    rejected_examples: dict[str, str] = {}
    clean: Any = None
    splits: dict[str, SplitSize] = {}
    fingerprint: str | None = None
    languages: dict[str, float] | None = None
    near_duplicates: NearDuplicates | None = None


class TokenizedText(ResultPart):
    """A text and its tokens."""

    text: str
    tokens: list[str]


class TokenizerFacts(ResultPart):
    """The tokenizer and its statistics on validation texts, with further keys of `danlu tokenizer report`."""

    kind: str | None = None
    size: int | None = Field(default=None, description="Entries of the vocabulary.")
    bytes_per_token: float | None = None
    round_trip: bool | None = Field(default=None, description="Whether every text decodes to itself.")
    examples: list[TokenizedText] = []


class GeneratedSample(ResultPart):
    """A prompt and its continuation."""

    prompt: str = ""
    text: str
    settings: str | None = Field(default=None, description="How the tokens were sampled.")


class ExampleStream(ResultPart):
    """One stream of a training example: tokens, the target of each token, and sequence labels."""

    stream: str
    tokens: list[str]
    targets: list[str | None] = []
    sequence_labels: dict[str, str] = Field(default={}, validation_alias=AliasChoices("sequence_labels", "marks"))


class TermLoss(ResultPart):
    """Mean loss per target of one term of the objective."""

    loss: float | None = None


class ValidationLoss(ResultPart):
    """Loss of the selected weights on the validation split."""

    loss: float | None = None
    terms: dict[str, float] = {}
    targets: dict[str, Number] = {}


class Difference(ResultPart):
    """A paired difference, model minus control, with its confidence interval."""

    mean: float
    low: float | None = None
    high: float | None = None


class Figure(ResultPart):
    """An objective metric, with its confidence interval if it has one."""

    value: int | float | None = None
    low: float | None = None
    high: float | None = None


class InputOutput(ResultPart):
    """An input of the model and its output."""

    given: str
    made: str


class Picture(ResultPart):
    """Grey levels in [0, 1], row by row from the top; None for no value."""

    title: str
    rows: list[list[float | None]]


class ObjectiveMetrics(ResultPart):
    """Objective metrics, samples and pictures that an objective computes for its model."""

    figures: dict[str, int | float | Figure | None] = {}
    samples: list[InputOutput] = []
    pictures: list[Picture] = []


class Sufficiency(ResultPart):
    """Whether a training was long enough for its results to be judged, by the rule of `danlu.training.sufficiency`."""

    sufficient: bool
    reasons: list[str] = Field(default=[], description="Why not: `steps`, `loss` (still falls), `pretraining`.")
    steps: int | None = None
    epochs: float | None = None
    fall_per_doubling: float | None = Field(
        default=None, description="By how much the held-out loss falls when the number of steps doubles."
    )
    epoch_steps: int | None = Field(default=None, description="Steps of one epoch.")
    needed_steps: int | None = Field(default=None, description="Steps that are enough.")
    seconds: float | None = Field(default=None, description="Estimated time of `needed_steps` on this machine.")
    budget: str | None = Field(default=None, description="Budget of this training that buys `needed_steps`.")
    option: str | None = Field(default=None, description="What to add to the command to give it that budget.")


class ModelResult(ResultPart):
    """One pre-trained model: its training and its evaluation on the test split."""

    name: str
    objective: str
    architecture: str | None = None
    start: dict[str, Any] | None = Field(default=None, description="The saved model that the training started from.")
    embeddings: dict[str, Any] | None = Field(default=None, description="Where the token embeddings were taken from.")
    parameters: int | None = None
    steps: int | None = None
    planned_steps: int | None = None
    tokens: int | None = Field(default=None, description="Tokens trained on.")
    epochs: float | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None
    operations: Number | None = Field(default=None, description="Floating-point operations of the training.")
    best_step: int | None = None
    chosen_step: int | None = Field(default=None, description="Step whose weights were kept.")
    sufficiency: Sufficiency | None = Field(default=None, description="None in runs of earlier versions.")
    validation: ValidationLoss | None = None
    test: SplitSize | None = None
    example: list[ExampleStream] | None = None
    bits_per_byte: float | None = None
    bits_per_byte_interval: tuple[float, float] | None = None
    text_lost: bool | None = Field(default=None, description="Whether the tokens do not decode to the text.")
    loss: float | None = Field(default=None, description="Loss on the test split, nats per target for cross-entropies.")
    perplexity: float | None = None
    terms: dict[str, TermLoss] | None = None
    baselines: dict[str, float | None] | None = Field(default=None, description="Bits per byte on the test split.")
    validation_baselines: dict[str, float | None] | None = None
    differences: dict[str, Difference | None] | None = None
    document_bits: list[float] | None = None
    document_bytes: list[float] | None = None
    samples: list[GeneratedSample] | None = None
    judged: ObjectiveMetrics | None = None

    def finite_baselines(self) -> dict[str, float]:
        """Return the test baselines that have a finite value, in bits per byte."""
        return {name: value for name, value in (self.baselines or {}).items() if finite(value)}

    def finite_validation_baselines(self) -> dict[str, float]:
        """Return the validation baselines that have a finite value, for comparison with the validation curve."""
        return {name: value for name, value in (self.validation_baselines or {}).items() if finite(value)}


class Score(ResultPart):
    """Mean of a metric over seeds, with its confidence interval."""

    mean: float
    low: float | None = None
    high: float | None = None
    seeds: list[float] = []


class DevChoice(ResultPart):
    """The settings of an arm that were selected on the dev rows."""

    learning_rate: float | None = None
    candidates: dict[str, Any] = {}
    steps: list[int] = Field(default=[], description="The number of steps, by seed.")


class TaskResult(ResultPart):
    """A fine-tuning task with the scores of every arm. Further keys are those that the task reports (`Task.facts`)."""

    name: str
    model: str | None = None
    metric: str
    higher_is_better: bool = True
    bounds: tuple[float | None, float | None] = (None, None)
    train_rows: int | None = None
    dev_rows: int | None = None
    test_rows: int | None = None
    near_duplicates_rule: str | None = None
    near_duplicates_removed: int | None = None
    texts_read_in_pretraining: bool | None = None
    rows: dict[str, Any] = {}
    path: str | None = Field(default=None, description="Folder of the fine-tuned model, in the run directory.")
    steps: int | None = None
    scores: dict[str, Score | None] = {}
    baselines: list[str] = Field(default_factory=list, description="The arms that are baselines.")
    differences: dict[str, Difference | None] = {}
    figures: dict[str, dict[str, float | None]] = Field(default_factory=dict, description="All metrics, by arm.")
    details: dict[str, DetailTable] = {}
    examples: list[PredictionExample] = Field(default_factory=list, description="Wrong predictions of test rows.")
    chosen_by_dev: dict[str, DevChoice] | None = Field(default=None, description="By arm; only with dev rows.")
    sufficiency: Sufficiency | None = Field(default=None, description="None in runs of earlier versions.")

    @property
    def task_facts(self) -> dict[str, Any]:
        """The keys that the task itself reports."""
        return dict(self.model_extra or {})


class ExportResult(ResultPart):
    """An exported model, and the greatest difference between its logits in danlu and in transformers."""

    path: str
    name: str | None = None
    kind: str | None = Field(
        default=None,
        validation_alias="class",
        serialization_alias="class",
        description="transformers class; None: danlu format.",
    )
    reason: str | None = Field(default=None, description="Why no class of transformers fits.")
    max_logit_difference: float | None = None
    tolerance: float | None = None


class UsageExamples(ResultPart):
    """Shell commands and Python code that use the models of the run."""

    shell: list[str] = []
    python: str | None = None


class Results(ResultPart):
    """The content of `results.json`."""

    schema_version: int = Field(default=SCHEMA, validation_alias="schema", serialization_alias="schema")
    version: str | None = Field(default=None, description="Version of danlu.")
    recipe: str | None = None
    command: str | None = Field(default=None, description="The command line that repeats the run.")
    started: datetime | None = None
    recipe_text: str | None = None
    corpus: CorpusFacts | None = None
    tokenizer: TokenizerFacts | None = None
    text_read: bool | None = Field(default=None, description="Whether any objective reads the text of the corpus.")
    pretrain: list[ModelResult] = []
    tasks: list[TaskResult] = []
    exports: list[ExportResult] = []
    environment: dict[str, str | int | float | bool | None] = {}
    use: UsageExamples | None = None
    seconds: float | None = Field(default=None, description="Working time of all steps of the run, over all calls.")

    @field_serializer("started")
    def _iso(self, value: datetime | None) -> str | None:
        return None if value is None else value.isoformat(timespec="seconds")


def write_results(path: Path, results: ResultPart) -> dict[str, Any]:
    """Write results and return them as JSON."""
    facts = results.json_facts()
    write_json(path, facts)
    return facts


def read_results(path: Path) -> Results:
    """Return the results of a run; WrongInput names the file and the first key that does not match the schema."""
    if not path.is_file():
        raise WrongInput(f"{path} is missing; a report requires a run that has been evaluated")
    return read_validated(Results, path)


def read_validated(kind: type[Written], path: Path) -> Written:
    """Return the results in a file as an instance of `kind`; WrongInput names the first key that does not match."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise WrongInput(f"{path} must hold one JSON object")
    if found.get("schema") != SCHEMA:
        raise WrongInput(f"{path} has schema {found.get('schema')!r}; this version of danlu reads schema {SCHEMA}")
    present = {key: value for key, value in found.items() if value is not None}  # null means that the key is missing
    try:
        return kind.model_validate(present)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise WrongInput(f"{path}: {place}: {first['msg'].splitlines()[0]}") from None
