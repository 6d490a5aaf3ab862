"""File formats: one file each, and one line here."""

from danlu.text.formats import json_lines, markdown, parquet, plain_text, tables
from danlu.text.formats.format import Format, Reading

FORMATS: dict[str, Format] = {
    suffix: found
    for found in (plain_text.FORMAT, markdown.FORMAT, json_lines.FORMAT, tables.FORMAT, parquet.FORMAT)
    for suffix in found.suffixes
}
"""By suffix."""

__all__ = ["FORMATS", "Format", "Reading"]
