"""The records that readers yield: documents, and rejected records with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_BYTES = 64 << 20
"""Longer documents are rejected. Readers hold one document at a time, so this bounds their memory."""

TOO_LONG = f"longer than {MAX_BYTES >> 20} MiB"

BINARY_CONTENT = "binary, not text"


@dataclass(frozen=True, slots=True)
class Document:
    """A text and its origin: `name` is `path`, `path:line` or a module."""

    text: str
    name: str
    size: int = field(default=0, compare=False)
    """Bytes of the record in its file, with fields that are not text; 0 means those of the text."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected record. Rejections are counted by `reason`; `hint` adds a detail about this record."""

    reason: str
    name: str
    hint: str = ""
    size: int = field(default=0, compare=False)
    """Bytes of the record in its file."""
    whole: bool = field(default=False, compare=False)
    """Whether nothing of the file is read."""
    fields: tuple[str, ...] = field(default=(), compare=False)
    """Names of the fields that were found instead of the one that holds the text."""


def reject_surrogate(name: str, error: UnicodeEncodeError) -> Rejected:
    """Return the rejection of a text with an unpaired surrogate, such as a lone \\ud83d in JSON."""
    return Rejected("not Unicode", name, f"unpaired surrogate at character {error.start}")
