"""The records that readers yield: documents, and rejected records with the reason."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 64 << 20
"""Longer documents are rejected. Readers hold one document at a time, so this bounds their memory."""

TOO_LONG = f"longer than {MAX_BYTES >> 20} MiB"


@dataclass(frozen=True, slots=True)
class Document:
    """A text and where it comes from: `name` is `path`, `path:line` or a module."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is not a document. Records are counted by `reason`; `hint` is a detail of this record."""

    reason: str
    name: str
    hint: str = ""


def not_unicode(name: str, error: UnicodeEncodeError) -> Rejected:
    """Return the rejection of a text with half a surrogate pair, such as \\ud83d alone in JSON."""
    return Rejected("not Unicode", name, f"half a surrogate pair at character {error.start}")
