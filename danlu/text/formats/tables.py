"""`.csv` and `.tsv` files: a header, then one document per row.

`.csv` is quoted as in RFC 4180. In `.tsv` nothing is quoted: quotation marks are ordinary characters.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from danlu.errors import nearest
from danlu.text.compressed import suffix
from danlu.text.documents import MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.encodings import encoding_of, open_utf8
from danlu.text.formats.format import Format, Reading

Row = tuple[int, list[str] | Rejected]
"""The number of the first line of a row, counted from 1, and its fields."""


def _fields_of_csv(text: io.TextIOBase) -> Iterator[tuple[int, list[str] | str]]:
    """Yield (line, fields) of every row, or (line, error message)."""
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(text, strict=True)
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


def _fields_of_tsv(text: io.TextIOBase) -> Iterator[tuple[int, list[str] | str]]:
    for number, line in enumerate(text, 1):
        yield number, line.removesuffix("\n").removesuffix("\r").split("\t")


SPLITTERS = {".csv": _fields_of_csv, ".tsv": _fields_of_tsv}


def rows(path: Path) -> Iterator[Row]:
    """Yield every row that is not blank, the header first. Invalid bytes and broken quoting yield `Rejected`."""
    encoding = encoding_of(path)
    newline = "" if suffix(path) == ".csv" else "\n"
    with open_utf8(path, encoding) as file:
        text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline=newline)
        for line, fields in SPLITTERS[suffix(path)](text):
            name = f"{path}:{line}"
            if isinstance(fields, str):
                yield line, Rejected(f"not {suffix(path)[1:].upper()}", name, fields)
                continue
            if any("\ud800" <= c <= "\udfff" for field in fields for c in field):
                yield line, Rejected(f"not {encoding.upper()}", name)
            elif any(fields):
                yield line, fields


def documents(path: Path, reading: Reading) -> Iterator[Document | Rejected]:
    """Yield one document per row below the header, from one column."""
    found = rows(path)
    number, header = next(found, (1, []))
    if isinstance(header, Rejected):
        yield header
        return
    if reading.text_field not in header:
        if header:
            hint = f"text_field: {nearest(reading.text_field, header)}"
            yield Rejected(f"no column {reading.text_field!r}", f"{path}:{number}", hint)
        return
    at = header.index(reading.text_field)
    for line, fields in found:
        name = f"{path}:{line}"
        if isinstance(fields, Rejected):
            yield fields
        elif len(fields) != len(header):
            hint = f"{len(fields)}, the header has {len(header)}"
            yield Rejected("number of fields differs from the header", name, hint)
        elif len(fields[at].encode()) > MAX_BYTES:
            yield Rejected(TOO_LONG, name)
        else:
            yield Document(fields[at], name)


class Tables(Format):
    """Comma-separated and tab-separated values."""

    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")

    def layout(self, reading: Reading) -> str:
        return "row"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return documents(path, reading)
