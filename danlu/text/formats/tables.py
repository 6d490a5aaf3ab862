"""`.csv` and `.tsv` files: a header, then one document per row.

`.csv` is quoted as in RFC 4180; a semicolon, tab or vertical bar may separate its fields instead of the comma. In
`.tsv` nothing is quoted: quotation marks are ordinary characters.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from danlu.errors import nearest
from danlu.text.compressed import suffix
from danlu.text.documents import MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.encodings import encoding_of, open_utf8
from danlu.text.formats.format import Format, Reading, named
from danlu.text.text_fields import SAMPLE_RECORDS

Row = tuple[int, list[str] | Rejected]
"""The number of the first line of a row, counted from 1, and its fields."""

SizedRow = tuple[int, list[str] | Rejected, int]
"""A row and its bytes."""

SEPARATORS = ";\t|"
SEPARATOR_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


class _CountedLines:
    """The lines of a file, with the number of bytes read so far."""

    def __init__(self, lines: Iterable[str]):
        self._lines = iter(lines)
        self.size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.size += len(line.encode("utf-8", "surrogateescape"))
        return line


def _fields_of_csv(text: Iterable[str], separator: str = ",") -> Iterator[tuple[int, list[str] | str]]:
    """Yield (line, fields) of every row, or (line, error message)."""
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(text, strict=True, delimiter=separator)
    line = 1
    while True:
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield line, f"{error}, lines {line} to {reader.line_num}" if reader.line_num > line else str(error)
        else:
            if fields is None:
                return
            yield line, fields
        line = reader.line_num + 1


def _fields_of_tsv(text: Iterable[str], separator: str = "\t") -> Iterator[tuple[int, list[str] | str]]:
    for number, line in enumerate(text, 1):
        yield number, line.removesuffix("\n").removesuffix("\r").split(separator)


SPLITTERS = {".csv": _fields_of_csv, ".tsv": _fields_of_tsv}


def separator_of(path: Path) -> str:
    """Return the separator of a table: another one than the comma if only it divides all of the first rows equally."""
    if suffix(path) == ".tsv":
        return "\t"
    with open_utf8(path) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
        lines = list(islice(text, 50))
    for separator in "," if lines and "," in lines[0] else SEPARATORS:
        counts = Counter(len(fields) for _, fields in _fields_of_csv(lines, separator) if isinstance(fields, list))
        if len(counts) == 1 and max(counts) > 1:
            return separator
    return ","


def sized_rows(path: Path) -> Iterator[SizedRow]:
    """Yield every row that is not blank, the header first. Invalid bytes and broken quoting yield `Rejected`."""
    encoding, separator = encoding_of(path), separator_of(path)
    newline = "" if suffix(path) == ".csv" else "\n"
    with open_utf8(path, encoding) as file:
        lines = _CountedLines(io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=newline))
        before = 0
        for line, fields in SPLITTERS[suffix(path)](lines, separator):
            name, size, before = f"{path}:{line}", lines.size - before, lines.size
            if isinstance(fields, str):
                yield line, Rejected(f"not {suffix(path)[1:].upper()}", name, fields, size), size
            elif any("\ud800" <= c <= "\udfff" for field in fields for c in field):
                yield line, Rejected(f"not {encoding.upper()}", name, size=size), size
            elif any(fields):
                yield line, fields, size


def rows(path: Path) -> Iterator[Row]:
    """Yield the rows of `sized_rows` without their sizes."""
    return ((line, fields) for line, fields, _ in sized_rows(path))


def _unusable(header: list[str], number: int, path: Path, reading: Reading) -> Rejected | None:
    """Return the rejection of a table whose columns do not say where the text is."""
    name, chosen = f"{path}:{number}", [c for c in reading.fields if c in header]
    if not chosen:
        hint = f"text_field: {nearest(reading.fields[0], header)}"
        return Rejected(f"no column {named(reading.fields)}", name, hint, whole=True, fields=tuple(header))
    twice = next((c for c in chosen[: 1 if reading.alternatives else None] if header.count(c) > 1), None)
    if twice is not None:
        return Rejected(f"{header.count(twice)} columns are called {twice!r}", name, "rename all but one", whole=True)
    return None


def documents(path: Path, reading: Reading) -> Iterator[Document | Rejected]:
    """Yield one document per row below the header, from one or several columns."""
    found = sized_rows(path)
    number, header, _ = next(found, (1, [], 0))
    if isinstance(header, Rejected):
        yield Rejected(header.reason, header.name, header.hint, whole=True)
        return
    if not header:
        return
    if unusable := _unusable(header, number, path, reading):
        yield unusable
        return
    for line, fields, size in found:
        name = f"{path}:{line}"
        if isinstance(fields, Rejected):
            yield fields
        elif len(fields) != len(header):
            hint = f"{len(fields)}, the header has {len(header)}"
            yield Rejected("number of fields differs from the header", name, hint, size)
        else:
            text = reading.text_of(dict(zip(header, fields, strict=True)))
            if isinstance(text, Rejected) or len(text.encode()) > MAX_BYTES:
                yield Rejected(TOO_LONG, name, size=size)
            else:
                yield Document(text, name, size)


class Tables(Format):
    """Comma-separated and tab-separated values."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def layout(self, reading: Reading) -> str:
        return "row"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return documents(path, reading)

    def sample(self, path: Path) -> list[dict[str, Any]]:
        found = rows(path)
        _, header = next(found, (1, []))
        if isinstance(header, Rejected):
            return []
        sampled = [fields for _, fields in islice(found, SAMPLE_RECORDS)]
        good = [f for f in sampled if not isinstance(f, Rejected) and len(f) == len(header)]
        return [dict(zip(header, fields, strict=True)) for fields in good or ([[""] * len(header)] if header else [])]

    def note(self, path: Path) -> str:
        separator = separator_of(path)
        if suffix(path) == ".csv" and separator != ",":
            return f"the fields are separated by {SEPARATOR_NAMES[separator]}, not by commas"
        header = next(rows(path), (1, []))[1]
        again = [] if isinstance(header, Rejected) else [c for c, n in Counter(header).items() if n > 1]
        return f"columns with the same name: {again[0]!r}" if again else ""
