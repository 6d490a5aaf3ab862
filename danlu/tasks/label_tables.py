"""Reading of tables: `.tsv` and `.csv` files with a header line, and `.jsonl`; optionally compressed."""

from __future__ import annotations

import csv
import difflib
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from danlu.errors import WrongInput, nearest
from danlu.tasks.rows import Row
from danlu.text.compressed import suffix
from danlu.text.documents import MAX_BYTES
from danlu.text.encodings import open_utf8

FORMATS = (".tsv", ".csv", ".jsonl")

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


def _missing(path: Path) -> WrongInput:
    """Return the error for a missing file, with the name of the most similar table in the folder."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    tables = sorted(name for name in os.listdir(folder) if suffix(Path(name)) in FORMATS)
    close = difflib.get_close_matches(path.name, tables, n=1, cutoff=0.5)
    if close:
        return WrongInput(f"{path} does not exist; did you mean {folder / close[0]}?")
    listed = f"{', '.join(tables[:8])}{', ...' if len(tables) > 8 else ''}" or "no .tsv, .csv or .jsonl"
    return WrongInput(f"{path} does not exist; {folder} has {listed}")


def _text(path: Path) -> str:
    if not path.exists():
        raise _missing(path)
    if suffix(path) not in FORMATS:
        raise WrongInput(f"{path} is not a table that danlu reads; use .tsv, .csv or .jsonl, also with .gz or .zst")
    with open_utf8(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongInput(f"{path}:{line}: is not UTF-8; save the file as UTF-8") from None


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, fields) of each record. `.csv` files have quoted fields as in RFC 4180, `.tsv` files do not.

    Quotation marks are ordinary characters in the `.tsv` files of NLP datasets, and parsing them would join rows.
    """
    text = _text(path).rstrip("\r\n")
    if not text:
        raise WrongInput(f"{path}: is empty; write the names of the columns into the first line")
    if suffix(path) == ".tsv":
        for line, record in enumerate(text.split("\n"), 1):
            yield line, record.removesuffix("\r").split("\t")
        return
    if suffix(path) == ".jsonl":
        yield from _json_records(path, text)
        return
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for fields in reader:
            yield line, fields
            line = reader.line_num + 1
    except csv.Error as error:
        raise WrongInput(f"{path}:{line}: is not CSV ({error}); quote fields that hold commas or quotes") from None


def _json_records(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the keys of the first object as a header, then the values of each object in that order."""
    header: list[str] = []
    for line, record in enumerate(text.split("\n"), 1):
        try:
            found = json.loads(record)
        except ValueError:
            raise WrongInput(f"{path}:{line}: is not JSON; write one object per line") from None
        if not isinstance(found, dict):
            raise WrongInput(f"{path}:{line}: is not a JSON object; write one object per line")
        if not header:
            header = list(found)
            yield line, header
        if missing := [key for key in header if key not in found]:
            raise WrongInput(f"{path}:{line}: has no field {missing[0]!r}, which line 1 has")
        yield line, [_field(found[key]) for key in header]


def _field(value: Any) -> str:
    """Return a JSON value as the text of a cell: a string as it is, null as an empty one."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def _check_header(path: Path, header: Sequence[str], columns: Sequence[str]) -> None:
    """Raise WrongInput if a column is missing or occurs twice, or the header has other separators."""
    for column in columns:
        if header.count(column) > 1:
            raise WrongInput(f"{path}:1: has {header.count(column)} columns {column!r}; rename or delete all but one")
        if column in header:
            continue
        others = [s for s in SEPARATORS if len(header) == 1 and column in map(str.strip, header[0].split(s))]
        if others and header[0] != column:
            expected = "tabs" if suffix(path) == ".tsv" else "commas"
            raise WrongInput(
                f"{path}:1: has no column {column!r}: its columns are separated by {SEPARATORS[others[0]]}, not by "
                f"{expected}; save it with {expected}"
            )
        raise WrongInput(f"{path}:1: no column {column!r}; {nearest(column, header, 'columns')}")


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield (line, fields of the given columns) of each row below the header. White space around fields is removed.

    Raises:
        WrongInput: with file and line, for a missing file or column, a row with more or fewer fields than the header,
            an empty field, and text that is not UTF-8.
    """
    path = Path(path).expanduser()
    records = _records(path)
    _, header = next(records)
    _check_header(path, header, columns)
    at = [header.index(name) for name in columns]
    for line, fields in records:
        if len(fields) != len(header):
            raise WrongInput(f"{path}:{line}: has {len(fields)} fields, the header has {len(header)}")
        for name, i in zip(columns, at, strict=True):
            if not fields[i].strip():
                raise WrongInput(f"{path}:{line}: the column {name!r} is empty; fill it or delete the row")
        yield line, tuple(fields[i].strip() for i in at)


def read_rows(path: Path, text: str = "text", label: str = "label", group: str | None = None) -> list[Row]:
    """Read the rows of a file; `text`, `label` and `group` are the names of its columns.

    Without a column of groups, each row is a separate group with the name `file:line`.

    Raises:
        WrongInput: as in `read_columns`, and if the table has no rows.
    """
    path = Path(path).expanduser()
    columns = read_columns(path, (text, label) if group is None else (text, label, group))
    rows = []
    for line, (content, name, *groups) in columns:
        place = f"{path.name}:{line}"
        rows.append(Row(content, name, groups[0] if groups else place, place))
    if not rows:
        raise WrongInput(f"{path}: has no row below its header")
    return rows
