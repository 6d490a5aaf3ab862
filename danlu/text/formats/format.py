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
    """The settings of a recipe that say how to read files."""

    text_field: str
    """Field or column that holds the text."""
    layout: str = "file"
    """How documents lie in plain text."""


class Format(ABC):
    """A file format."""

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, without that of a compression."""

    @abstractmethod
    def layout(self, reading: Reading) -> str:
        """Return how documents lie in its files, in a word or two."""

    @abstractmethod
    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        """Yield the documents of a file, and every record that is not one with the reason."""
