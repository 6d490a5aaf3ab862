"""Rows from tables: `.tsv` and `.csv` files with a header line, also compressed (`.gz`, `.zst`)."""

from __future__ import annotations

import csv
import difflib
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from danlu.errors import WrongInput, nearest
from danlu.tasks.rows import LabelledRows, Row
from danlu.text.compressed import suffix
from danlu.text.documents import MAX_BYTES
from danlu.text.encodings import open_utf8

FORMATS = (".tsv", ".csv")


def _missing(path: Path) -> WrongInput:
    """Names the nearest table that does exist."""
    folder = next(parent for parent in path.absolute().parents if parent.is_dir())
    tables = sorted(name for name in os.listdir(folder) if suffix(Path(name)) in FORMATS)
    close = difflib.get_close_matches(path.name, tables, n=1, cutoff=0.5)
    if close:
        return WrongInput(f"{path} does not exist; did you mean {folder / close[0]}?")
    listed = f"{', '.join(tables[:8])}{', ...' if len(tables) > 8 else ''}" or "no .tsv or .csv"
    return WrongInput(f"{path} does not exist; {folder} has {listed}")


def _text(path: Path) -> str:
    if not path.exists():
        raise _missing(path)
    if suffix(path) not in FORMATS:
        raise WrongInput(f"{path} is no table that danlu reads; known: .tsv, .csv, each also with .gz or .zst")
    with open_utf8(path) as file:
        data = file.read()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WrongInput(f"{path}:{line}: is not UTF-8; save the file as UTF-8") from None


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, fields). Tabs separate and nothing is quoted in `.tsv`; `.csv` quotes as RFC 4180 does.

    Quotation marks are ordinary characters in the `.tsv` files of NLP datasets; reading them as quotes swallows rows.
    """
    text = _text(path).rstrip("\r\n")
    if not text:
        raise WrongInput(f"{path}: is empty; the first line names the columns")
    if suffix(path) == ".tsv":
        for line, record in enumerate(text.split("\n"), 1):
            yield line, record.removesuffix("\r").split("\t")
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


def read_columns(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, the fields of these columns without the space around them) of each row below the header.

    WrongInput, with file and line, for a missing file or column, another number of fields than the header has, an
    empty field, and text that is not UTF-8.
    """
    path = Path(path).expanduser()
    records = _records(path)
    _, header = next(records)
    for column in columns:
        if column not in header:
            raise WrongInput(f"{path}:1: has no column {column!r}; {nearest(column, header)}")
    at = [header.index(name) for name in columns]
    for line, fields in records:
        if len(fields) != len(header):
            raise WrongInput(f"{path}:{line}: has {len(fields)} fields, the header has {len(header)}")
        for name, i in zip(columns, at, strict=True):
            if not fields[i].strip():
                raise WrongInput(f"{path}:{line}: the column {name!r} is empty; fill it or delete the row")
        yield line, tuple(fields[i].strip() for i in at)


def read_rows(path: Path, text: str = "text", label: str = "label") -> list[Row]:
    """The rows of one file; `text` and `label` name its columns. A row's group is its place, `file:line`. WrongInput
    for what `read_columns` refuses and for a table without rows."""
    path = Path(path).expanduser()
    columns = read_columns(path, (text, label))
    rows = [Row(fields[0], fields[1], f"{path.name}:{line}") for line, fields in columns]
    if not rows:
        raise WrongInput(f"{path}: has no row below its header")
    return rows


def _same(text: str) -> str:
    """Equal for texts that differ in white space and case only."""
    return "".join(text.split()).casefold()


def _without(rows: list[Row], others: list[Row]) -> tuple[tuple[Row, ...], int]:
    """The rows whose text is in none of `others`, and how many were left out."""
    held = {_same(row.text) for row in others}
    kept = tuple(row for row in rows if _same(row.text) not in held)
    return kept, len(rows) - len(kept)


def labelled_files(
    train: Path, test: Path, dev: Path | None = None, text: str = "text", label: str = "label"
) -> LabelledRows:
    """A task from its files. The test rows stay as they are; training and development rows that repeat a text of
    the test rows (and training rows one of the development rows) are left out and counted.

    WrongInput also for a label of `dev` or `test` that no training row has, and for a single class.
    """
    found = read_rows(train, text, label)
    held = read_rows(test, text, label)
    developed = read_rows(dev, text, label) if dev is not None else []
    learned, repeated = _without(found, [*held, *developed])
    tuned, repeated_dev = _without(developed, held)
    classes = tuple(sorted({row.label for row in learned}))
    if len(classes) < 2:
        raise WrongInput(f"{train}: has the label {', '.join(classes) or 'of no row'} only; a task needs two classes")
    for path, rows in ((dev, developed), (test, held)):
        for row in rows:
            if row.label not in classes:
                line = row.group.rpartition(":")[2]
                near = nearest(row.label, classes)
                raise WrongInput(f"{path}:{line}: no training row has the label {row.label!r}; {near}")
    facts = {
        "files": {"train": str(train), "dev": None if dev is None else str(dev), "test": str(test)},
        "train_rows_repeated_in_dev_or_test": repeated,
        "dev_rows_repeated_in_test": repeated_dev,
    }
    return LabelledRows(learned, tuned, tuple(held), classes, facts)
