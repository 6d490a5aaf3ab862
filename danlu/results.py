"""The shape of `results.json` as the page needs it; keys beyond these are ignored, absent ones are None or empty."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path
from typing import TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from danlu.durable import read_json
from danlu.errors import WrongInput

SCHEMA = 1


def finite(value: float | None) -> TypeGuard[float]:
    """Whether there is a number to draw or compare: a training that diverged leaves NaN."""
    return value is not None and math.isfinite(value)


class Part(BaseModel):
    """Lenient about what is there beyond its fields, because later versions of danlu will write more."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)


class Split(Part):
    documents: int | None = None
    bytes: int | None = None
    tokens: int | None = None


class Documents(Part):
    seen: int | None = Field(None, alias="in")
    kept: int | None = None
    rejected: dict[str, int] = {}


class SplitShare(Part):
    """Documents of a split, and what share of the split, or of its documents that were compared, they are."""

    documents: int | None = None
    share: float | None = None


class NearDuplicates(Part):
    """Held-out documents with a near-duplicate in train (those of test: also in validation), by split."""

    threshold: float | None = None
    rule: str | None = None
    compared: dict[str, SplitShare] = {}
    found: dict[str, SplitShare] = {}


class Corpus(Part):
    source: str | None = None
    layout: str | None = None
    documents: Documents | None = None
    splits: dict[str, Split] = {}
    near_duplicates: NearDuplicates | None = None


class Cut(Part):
    """A sentence and the tokens it is cut into."""

    text: str
    tokens: list[str]


class Tokenizer(Part):
    kind: str | None = None
    size: int | None = None
    bytes_per_token: float | None = None
    round_trip: bool | None = None
    examples: list[Cut] = []


class Sample(Part):
    """`text` is what the model wrote after `prompt`."""

    prompt: str = ""
    text: str
    settings: str | None = None


class Shown(Part):
    """One stream of one example: what the model reads, and where it is asked for what."""

    stream: str
    tokens: list[str]
    targets: list[str | None] = []
    sequence_labels: dict[str, str] = {}


class Term(Part):
    loss: float | None = None
    accuracy: float | None = None


class Difference(Part):
    """The paired difference, ours minus the control."""

    mean: float
    low: float | None = None
    high: float | None = None


class Figure(Part):
    """A figure an objective gives of its model, with its interval where it has one."""

    value: int | float | None = None
    low: float | None = None
    high: float | None = None


class Pair(Part):
    """What the model was given and what it made of it."""

    given: str
    made: str


class Picture(Part):
    """Grey levels in [0, 1], row by row from the top; None where nothing is shown."""

    title: str
    rows: list[list[float | None]]


class Judged(Part):
    figures: dict[str, int | float | Figure | None] = {}
    samples: list[Pair] = []
    pictures: list[Picture] = []


class Pretrained(Part):
    name: str
    objective: str
    architecture: str | None = None
    parameters: int | None = None
    tokens: int | None = None
    epochs: float | None = None
    steps: int | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None
    best_step: int | None = None
    bits_per_byte: float | None = None
    bits_per_byte_interval: tuple[float, float] | None = None
    text_lost: bool | None = None
    loss: float | None = None
    perplexity: float | None = None
    baselines: dict[str, float | None] | None = None
    validation_baselines: dict[str, float | None] | None = None
    differences: dict[str, Difference | None] | None = None
    terms: dict[str, Term] | None = None
    test: Split | None = None
    samples: list[Sample] | None = None
    example: list[Shown] | None = None
    judged: Judged | None = None

    def measured(self) -> dict[str, float]:
        """The baselines that have a figure."""
        return {name: value for name, value in (self.baselines or {}).items() if finite(value)}

    def across_validation(self) -> dict[str, float]:
        """The baselines on the validation documents: what its curve has to get below."""
        return {name: value for name, value in (self.validation_baselines or {}).items() if finite(value)}


class Score(Part):
    mean: float
    low: float | None = None
    high: float | None = None
    seeds: list[float] = []


class Task(Part):
    name: str
    model: str | None = None
    metric: str
    labels: int | str | None = None
    classes: list[str] | None = None
    train_rows: int | None = None
    test_rows: int | None = None
    near_duplicates_removed: int | None = None
    near_duplicates_rule: str | None = None
    texts_read_in_pretraining: bool | None = None
    scores: dict[str, Score | None] = {}
    differences: dict[str, Difference | None] = {}


class Export(Part):
    path: str
    name: str | None = None
    kind: str | None = Field(None, alias="class")
    max_logit_difference: float | None = None
    tolerance: float | None = None


class Use(Part):
    shell: list[str] = []
    python: str | None = None


class Results(Part):
    version: str | None = None
    recipe: str | None = None
    command: str | None = None
    started: datetime | None = None
    seconds: float | None = None
    recipe_text: str | None = None
    corpus: Corpus | None = None
    tokenizer: Tokenizer | None = None
    text_read: bool | None = None
    pretrain: list[Pretrained] = []
    tasks: list[Task] = []
    exports: list[Export] = []
    environment: dict[str, str | int | float | bool | None] = {}
    use: Use | None = None


def read_results(path: Path) -> Results:
    """The results of a run; WrongInput names the file and the first place that does not fit."""
    if not path.is_file():
        raise WrongInput(f"{path} is not there; a report is drawn from a run that has been evaluated")
    found = read_json(path)
    if not isinstance(found, dict):
        raise WrongInput(f"{path} must hold one JSON object")
    if found.get("schema") != SCHEMA:
        raise WrongInput(f"{path} has schema {found.get('schema')!r}; this version of danlu reads schema {SCHEMA}")
    # A null stands for "absent" wherever it stands: a section with nothing in it says so itself.
    present = {key: value for key, value in found.items() if value is not None}
    try:
        return Results.model_validate(present)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"])
        raise WrongInput(f"{path}: {place}: {first['msg'].splitlines()[0]}") from None
