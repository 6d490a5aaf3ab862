"""What every reader yields."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BYTES = 64 << 20
"""A longer document is rejected: one document at a time is held in memory, so this bounds every reader."""

TOO_LONG = f"longer than {MAX_BYTES >> 20} MiB"


@dataclass(frozen=True, slots=True)
class Document:
    """`name` says where the text came from: `path`, `path:line` or a module."""

    text: str
    name: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is not a document. Equal reasons are counted together; `hint` is the particular of this one."""

    reason: str
    name: str
    hint: str = ""


def not_unicode(name: str, error: UnicodeEncodeError) -> Rejected:
    """A document whose text holds half of a character, such as JSON's \\ud83d alone."""
    return Rejected("not Unicode", name, f"half a surrogate pair at character {error.start}")
