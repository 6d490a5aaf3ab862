"""Filters applied in sequence, with counts of the documents that each changed and rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from danlu.text.documents import Document, Rejected, reject_surrogate
from danlu.text.filters.filter import Filter


class Cleaner:
    """Apply filters to documents in order, up to the first that rejects the document."""

    def __init__(self, filters: Sequence[Filter]):
        self._filters = filters
        self._functions = [each.build() for each in filters]  # raises WrongInput if an extra is missing
        self._changed: Counter[int] = Counter()
        self._rejected: Counter[int] = Counter()

    def identity(self) -> list[dict[str, str]]:
        """Return the versions of the libraries of each filter."""
        return [{library: version(library) for library in each.libraries} for each in self._filters]

    def __call__(self, record: Document | Rejected) -> Document | Rejected:
        if isinstance(record, Document) and self._functions:  # the filter libraries fail on unpaired surrogates
            try:
                record.text.encode()
            except UnicodeEncodeError as error:
                return reject_surrogate(record.name, error)
        for i, function in enumerate(self._functions):
            if isinstance(record, Rejected):
                break
            result = function(record.text)
            if isinstance(result, Rejected):
                self._rejected[i] += 1
                return replace(result, name=record.name)
            if result != record.text:
                self._changed[i] += 1
                record = Document(result, record.name)
        return record

    def facts(self) -> list[dict[str, Any]]:
        """Return the settings of each filter, the versions of its libraries, and how many documents it changed and
        rejected."""
        return [
            {
                **each.model_dump(mode="json"),
                "versions": versions,
                "changed": self._changed[i],
                "rejected": self._rejected[i],
            }
            for i, (each, versions) in enumerate(zip(self._filters, self.identity(), strict=True))
        ]
