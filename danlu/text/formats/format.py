"""The base class of file formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from danlu.text.documents import Document, Rejected

AUTO = "auto"
"""The value of `text_field` with which the field of the text is found in each file."""


@dataclass(frozen=True)
class Reading:
    """The settings of a recipe that control how files are read."""

    fields: tuple[str, ...] = ()
    """Fields or columns that hold the text; several are joined by a newline."""
    layout: str = "file"
    """How prose is divided into documents: "file", "line" or "paragraphs"."""
    alternatives: bool = False
    """Whether the first of `fields` that a record fills is its text, instead of all of them together."""

    def text_of(self, record: dict[str, Any]) -> str | Rejected:
        """Return the text of a record, or the rejection, without a name, of a record that has none."""
        present = [name for name in self.fields if name in record]
        texts = [record[name] for name in present if isinstance(record[name], str)]
        if not present:
            return Rejected(f"no field {named(self.fields[:1] if self.alternatives else self.fields)}", "")
        if not texts:
            kind = type(record[present[0]]).__name__
            return Rejected(f"field {present[0]!r} is not text", "", f"it is a {kind}")
        return next(filter(str.strip, texts), texts[0]) if self.alternatives else "\n".join(texts)


def named(fields: tuple[str, ...]) -> str:
    """Return the names of fields for a message."""
    return ", ".join(map(repr, fields))


class Format(ABC):
    """A file format."""

    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of its files, without `.gz` or `.zst`."""

    binary: ClassVar[bool] = False
    """Whether the format defines its own encoding."""

    prose: ClassVar[bool] = False
    """Whether its files are divided into documents by the layout."""

    module: ClassVar[str] = ""
    """The optional library that reads it."""

    library: ClassVar[str] = ""
    """The distribution of that library, whose version is part of the identity of a corpus."""

    extra: ClassVar[str] = ""
    """The extra of danlu that installs it."""

    @abstractmethod
    def layout(self, reading: Reading) -> str:
        """Return a short name for how its files are divided into documents, such as "row"."""

    @abstractmethod
    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        """Yield the documents of a file, and a `Rejected` for every record that is not one."""

    def sample(self, path: Path) -> list[dict[str, Any]] | None:
        """Return the first records of a file, to find the field of the text; None if the format has no fields."""
        return None

    def note(self, path: Path) -> str:
        """Return a remark on how a file is read, such as an unusual separator; usually nothing."""
        return ""
