"""The base class of the sources of a corpus."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from danlu.text.documents import Document, Rejected


class Source(ABC):
    """Where documents come from: files, or a built-in corpus."""

    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """Return what the documents depend on: equal identities give equal documents. Part of the cache key."""

    @abstractmethod
    def layout(self) -> str:
        """Return how documents lie in the source, in a word or two."""

    @abstractmethod
    def documents(self) -> Iterator[Document | Rejected]:
        """Yield every document, and every record that is not one with the reason."""

    def facts(self) -> dict[str, Any]:
        """Return facts about the files for the report: {"formats": {suffix: files}, "encodings": {name: files}}."""
        return {}

    def has_plain_text(self) -> bool:
        """Return whether some files are plain text, in which documents can be separated in other ways."""
        return False
