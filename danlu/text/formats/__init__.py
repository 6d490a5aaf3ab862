"""File formats: one module each, listed here."""

from danlu.text.formats.extracted import PortableDocument, WebPage, WordDocument
from danlu.text.formats.format import AUTO, Format, Reading
from danlu.text.formats.json_lines import JsonLines
from danlu.text.formats.parquet import Parquet
from danlu.text.formats.plain_text import PlainText, Prose, SourceCode
from danlu.text.formats.tables import Tables

FORMATS: dict[str, Format] = {
    suffix: known
    for known in (
        PlainText(), JsonLines(), Tables(), Parquet(), WebPage(), WordDocument(), PortableDocument(), SourceCode(),
    )
    for suffix in known.suffixes
}  # fmt: skip
"""The formats by suffix."""

__all__ = ["AUTO", "FORMATS", "Format", "Prose", "Reading", "SourceCode"]
