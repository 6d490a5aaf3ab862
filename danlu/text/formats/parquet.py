"""`.parquet` files: one document per row, from one or several columns (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from danlu.errors import nearest
from danlu.extras import import_optional
from danlu.text.documents import MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.formats.format import Format, Reading, named
from danlu.text.text_fields import SAMPLE_RECORDS

BATCH = 256
"""Rows held in memory at a time."""


def documents(path: Path, reading: Reading) -> Iterator[Document | Rejected]:
    """Yield one document per row; a file that cannot be read is rejected."""
    if path.suffix.lower() != ".parquet":
        hint = "Parquet is compressed already; decompress the file"
        yield Rejected("compressed twice", str(path), hint, whole=True)
        return
    parquet, arrow = _libraries(path)
    try:
        table = parquet.ParquetFile(path)
    except (arrow.ArrowInvalid, OSError) as error:
        yield Rejected("not Parquet", str(path), str(error).splitlines()[0], whole=True)
        return
    with table:
        columns = table.schema_arrow.names
        chosen = [name for name in reading.fields if name in columns]
        if not chosen:
            hint = f"text_field: {nearest(reading.fields[0], columns)}"
            reason = f"no column {named(reading.fields)}"
            yield Rejected(reason, str(path), hint, whole=True, fields=tuple(columns))
            return
        row, size = 0, 0
        try:
            for record in _records(table, chosen):
                row += 1
                found = _document(f"{path}:{row}", record, reading)
                size += found.size
                yield found
        except (arrow.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            left = (table.metadata.num_rows - row) * size // max(row, 1)
            yield Rejected("damaged Parquet", str(path), str(error).splitlines()[0], left, whole=not row)


def _libraries(path: Path) -> tuple[Any, Any]:
    purpose = f"{path}: reading .parquet"
    return import_optional("pyarrow.parquet", "parquet", purpose), import_optional("pyarrow", "parquet", purpose)


def _records(table: Any, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches(batch_size=BATCH, columns=columns):
        yield from batch.to_pylist()


def _document(name: str, record: dict[str, Any], reading: Reading) -> Document | Rejected:
    size = 1 + sum(len(v.encode("utf-8", "surrogatepass")) for v in record.values() if isinstance(v, str))
    text = reading.text_of(record)
    if isinstance(text, Rejected):
        return Rejected(text.reason.replace("field", "column", 1), name, text.hint, size)
    return Rejected(TOO_LONG, name, size=size) if size > MAX_BYTES else Document(text, name, size)


class Parquet(Format):
    """Apache Parquet."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)
    binary: ClassVar[bool] = True
    module: ClassVar[str] = "pyarrow"
    extra: ClassVar[str] = "parquet"

    def layout(self, reading: Reading) -> str:
        return "row"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return documents(path, reading)

    def sample(self, path: Path) -> list[dict[str, Any]]:
        if path.suffix.lower() != ".parquet":
            return []
        parquet, arrow = _libraries(path)
        try:
            with parquet.ParquetFile(path) as table:
                batch = next(table.iter_batches(batch_size=SAMPLE_RECORDS), None)
                return batch.to_pylist() if batch is not None else [dict.fromkeys(table.schema_arrow.names)]
        except (arrow.ArrowInvalid, OSError, UnicodeDecodeError):
            return []
