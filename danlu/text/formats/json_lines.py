"""`.jsonl` files: one JSON object per line, with the text in one of its fields."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from danlu.errors import nearest
from danlu.text.documents import TOO_LONG, Document, Rejected
from danlu.text.formats.format import Format, Reading
from danlu.text.lines import decode, raw_lines


def _record(data: bytes, name: str, offset: int, field: str, encoding: str) -> Document | Rejected:
    line = decode(data, name, offset, encoding)
    if isinstance(line, Rejected):
        return line
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        return Rejected("broken JSON", name, f"{error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:  # thousands of digits or brackets
        return Rejected("broken JSON", name, str(error).splitlines()[0])
    if not isinstance(record, dict):
        return Rejected("not a JSON object", name, f"a {type(record).__name__}")
    if field not in record:
        return Rejected(f"no field {field!r}", name, f"text_field: {nearest(field, record)}")
    text = record[field]
    if not isinstance(text, str):
        return Rejected(f"field {field!r} is not text", name, f"it is a {type(text).__name__}")
    return Document(text, name)


def json_lines(path: Path, field: str) -> Iterator[Document | Rejected]:
    """Yield one document per line. Blank lines are skipped; lines without a JSON object with text are rejected."""
    for line in raw_lines(path):
        name = f"{path}:{line.number}"
        if line.data is None:
            yield Rejected(TOO_LONG, name)
        elif not line.blank:
            yield _record(line.data, name, line.offset, field, line.encoding)


class JsonLines(Format):
    """JSON lines."""

    suffixes: ClassVar[tuple[str, ...]] = (".jsonl",)

    def layout(self, reading: Reading) -> str:
        return "jsonl"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return json_lines(path, reading.text_field)
