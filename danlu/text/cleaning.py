"""Filters one after another, and what each of them did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from danlu.text.documents import Document, Rejected, not_unicode
from danlu.text.filters.filter import Filter


class Cleaner:
    """A document through all filters, in their order; the first that rejects it ends its way."""

    def __init__(self, filters: Sequence[Filter]):
        self._filters = filters
        self._steps = [found.build() for found in filters]  # first, because it says which extra is missing
        self._changed: Counter[int] = Counter()
        self._rejected: Counter[int] = Counter()

    def identity(self) -> list[dict[str, str]]:
        """The versions of the libraries of each filter."""
        return [{library: version(library) for library in found.libraries} for found in self._filters]

    def __call__(self, record: Document | Rejected) -> Document | Rejected:
        if isinstance(record, Document) and self._steps:  # libraries encode what they are given
            try:
                record.text.encode()
            except UnicodeEncodeError as error:
                return not_unicode(record.name, error)
        for i, step in enumerate(self._steps):
            if isinstance(record, Rejected):
                break
            result = step(record.text)
            if isinstance(result, Rejected):
                self._rejected[i] += 1
                return replace(result, name=record.name)
            if result != record.text:
                self._changed[i] += 1
                record = Document(result, record.name)
        return record

    def facts(self) -> list[dict[str, Any]]:
        """For each filter its settings, library versions, and how many documents it changed and rejected."""
        return [
            {
                **found.model_dump(mode="json"),
                "versions": versions,
                "changed": self._changed[i],
                "rejected": self._rejected[i],
            }
            for i, (found, versions) in enumerate(zip(self._filters, self.identity(), strict=True))
        ]
