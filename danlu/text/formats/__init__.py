"""File formats: one module each, listed here."""

from danlu.text.formats.format import Format, Reading
from danlu.text.formats.json_lines import JsonLines
from danlu.text.formats.markdown import Markdown
from danlu.text.formats.parquet import Parquet
from danlu.text.formats.plain_text import PlainText
from danlu.text.formats.tables import Tables

FORMATS: dict[str, Format] = {
    suffix: known for known in (PlainText(), Markdown(), JsonLines(), Tables(), Parquet()) for suffix in known.suffixes
}
"""The formats by suffix."""

__all__ = ["FORMATS", "Format", "Reading"]
