"""`.jsonl` files: one JSON object per line, with the text in one of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from danlu.errors import nearest
from danlu.text.documents import TOO_LONG, Document, Rejected
from danlu.text.formats.format import Format, Reading
from danlu.text.lines import Line, decode, raw_lines
from danlu.text.text_fields import SAMPLE_RECORDS


def _object(line: Line, name: str) -> dict[str, Any] | Rejected:
    """Parse the JSON object in a line."""
    text = decode(line.data or b"", name, line.offset, line.encoding)
    if isinstance(text, Rejected):
        return text
    try:
        record = json.loads(text)
    except json.JSONDecodeError as error:
        return Rejected("broken JSON", name, f"{error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:  # thousands of digits or brackets
        return Rejected("broken JSON", name, str(error).splitlines()[0])
    return record if isinstance(record, dict) else Rejected("not a JSON object", name, f"a {type(record).__name__}")


def _record(line: Line, name: str, reading: Reading) -> Document | Rejected:
    size = len(line.data or b"") + 1
    record = _object(line, name)
    if isinstance(record, Rejected):
        return replace(record, size=size)
    text = reading.text_of(record)
    if isinstance(text, str):
        return Document(text, name, size)
    if text.reason.startswith("no field"):
        hint = f"text_field: {nearest(reading.fields[0], record)}"
        return Rejected(text.reason, name, hint, size, fields=tuple(record))
    return Rejected(text.reason, name, text.hint, size)


def json_lines(path: Path, reading: Reading) -> Iterator[Document | Rejected]:
    """Yield one document per line. Blank lines are skipped; lines without a JSON object with text are rejected."""
    for line in raw_lines(path):
        name = f"{path}:{line.number}"
        if line.data is None:
            yield Rejected(TOO_LONG, name, size=line.size)
        elif not line.blank:
            yield _record(line, name, reading)


class JsonLines(Format):
    """JSON lines."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl",)

    def layout(self, reading: Reading) -> str:
        return "jsonl"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return json_lines(path, reading)

    def sample(self, path: Path) -> list[dict[str, Any]]:
        lines = (line for line in raw_lines(path) if line.data is not None and not line.blank)
        records = (_object(line, "") for line in islice(lines, SAMPLE_RECORDS))
        return [record for record in records if not isinstance(record, Rejected)]
