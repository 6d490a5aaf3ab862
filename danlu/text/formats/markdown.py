"""`.md` files: one document per file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from danlu.text.documents import Document, Rejected
from danlu.text.formats.format import Format, Reading
from danlu.text.formats.plain_text import whole_file


class Markdown(Format):
    """Markdown files, read as text without conversion."""

    suffixes: ClassVar[tuple[str, ...]] = (".md",)

    def layout(self, reading: Reading) -> str:
        return "file"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return whole_file(path)
