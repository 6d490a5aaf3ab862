"""`.parquet` files: one document per row, from one column (extra `parquet`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from danlu.errors import nearest
from danlu.extras import import_optional
from danlu.text.documents import MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.formats.format import Format, Reading

BATCH = 256
"""Rows held in memory at a time."""


def documents(path: Path, reading: Reading) -> Iterator[Document | Rejected]:
    """Yield one document per row; a file that cannot be read is rejected."""
    if path.suffix.lower() != ".parquet":
        yield Rejected("compressed twice", str(path), "Parquet is compressed already; decompress the file")
        return
    parquet = import_optional("pyarrow.parquet", "parquet", f"{path}: reading .parquet")
    arrow = import_optional("pyarrow", "parquet", f"{path}: reading .parquet")
    try:
        table = parquet.ParquetFile(path)
    except (arrow.ArrowInvalid, OSError) as error:
        yield Rejected("not Parquet", str(path), str(error).splitlines()[0])
        return
    with table:
        columns = table.schema_arrow.names
        if reading.text_field not in columns:
            hint = f"text_field: {nearest(reading.text_field, columns)}"
            yield Rejected(f"no column {reading.text_field!r}", str(path), hint)
            return
        try:
            yield from _rows(path, table, reading.text_field)
        except (arrow.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            yield Rejected("damaged Parquet", str(path), str(error).splitlines()[0])


def _rows(path: Path, table: Any, field: str) -> Iterator[Document | Rejected]:
    row = 0
    for batch in table.iter_batches(batch_size=BATCH, columns=[field]):
        for value in batch.column(0).to_pylist():
            row += 1
            name = f"{path}:{row}"
            if not isinstance(value, str):
                yield Rejected(f"column {field!r} is not text", name, f"it is a {type(value).__name__}")
            elif len(value.encode("utf-8", "surrogatepass")) > MAX_BYTES:
                yield Rejected(TOO_LONG, name)
            else:
                yield Document(value, name)


class Parquet(Format):
    """Apache Parquet."""

    suffixes: ClassVar[tuple[str, ...]] = (".parquet",)

    def layout(self, reading: Reading) -> str:
        return "row"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return documents(path, reading)
