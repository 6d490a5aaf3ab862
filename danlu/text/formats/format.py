"""The base class of file formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from danlu.text.documents import Document, Rejected


@dataclass(frozen=True)
class Reading:
    """The settings of a recipe that control how files are read."""

    text_field: str
    """Field or column that holds the text."""
    layout: str = "file"
    """How plain text is divided into documents: "file", "line" or "paragraphs"."""


class Format(ABC):
    """A file format."""

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, without `.gz` or `.zst`."""

    @abstractmethod
    def layout(self, reading: Reading) -> str:
        """Return a short name for how its files are divided into documents, such as "row"."""

    @abstractmethod
    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        """Yield the documents of a file, and a `Rejected` for every record that is not one."""
