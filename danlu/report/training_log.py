"""The records of `metrics.jsonl`, which the page shows as curves and samples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from danlu.errors import WrongInput
from danlu.results import ResultPart

Item = TypeVar("Item")


class Record(ResultPart):
    """One line of the log: the measurements at a step of a stage."""

    stage: str
    kind: str
    step: int
    tokens: int | None = None
    loss: float | None = None
    bits_per_byte: float | None = None
    prompt: str | None = None
    text: str | None = None

    def measured(self, name: str) -> float | None:
        """Return the loss or a metric, which is a further key; None if the record has no such number."""
        found = self.loss if name == "loss" else (self.model_extra or {}).get(name)
        return float(found) if isinstance(found, int | float) else None


@dataclass(frozen=True)
class Metrics:
    """All records in order; `unfinished` is the number of an incomplete last line, left by an interrupted run."""

    present: bool
    records: list[Record]
    unfinished: int | None = None


def read_metrics(path: Path) -> Metrics:
    """Read every complete line; an incomplete last line is ignored.

    Raises:
        WrongInput: for a damaged line.
    """
    if not path.is_file():
        return Metrics(present=False, records=[])
    lines = path.read_bytes().split(b"\n")
    unfinished = len(lines) if lines[-1].strip() else None
    records = [read_record(path, number, line) for number, line in enumerate(lines[:-1], start=1) if line.strip()]
    return Metrics(present=True, records=records, unfinished=unfinished)


def read_record(path: Path, number: int, line: bytes) -> Record:
    try:
        return Record.model_validate(json.loads(line))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise WrongInput(
            f"{path}, line {number} is damaged ({error}); delete that line and recreate the report"
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(step) for step in first["loc"]) or "the line"
        raise WrongInput(f"{path}, line {number}: {place}: {first['msg'].splitlines()[0]}") from None


def records_of(metrics: Metrics, stage: str, kind: str) -> list[Record]:
    return [record for record in metrics.records if record.stage == stage and record.kind == kind]


def downsample(items: list[Item], limit: int) -> list[Item]:
    """Select at most `limit` items, evenly spaced, including the first and the last."""
    if len(items) <= limit:
        return items
    return [items[round(i * (len(items) - 1) / (limit - 1))] for i in range(limit)]
