"""The base class of the sources of a corpus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from danlu.text.documents import Document, Rejected


class Source(ABC):
    """A source of documents: files, or a built-in corpus."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return everything that determines the documents, for the cache key: equal identities give equal documents."""

    @abstractmethod
    def layout(self) -> str:
        """Return a short name for how the source is divided into documents, such as "line" or "row"."""

    @abstractmethod
    def documents(self) -> Iterator[Document | Rejected]:
        """Yield every document, and a `Rejected` for every record that is not one."""

    def facts(self) -> dict[str, Any]:
        """Return facts about the files for the report: {"formats": {suffix: files}, "encodings": {name: files}}."""
        return {}

    def account(self) -> dict[str, Any] | None:
        """Return which bytes of the source have been read and which not, after `documents` (see `account.py`)."""
        return None

    def has_plain_text(self) -> bool:
        """Return whether any file is prose, which another layout would divide differently."""
        return False
