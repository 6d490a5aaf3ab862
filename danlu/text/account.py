"""The account of a source: which of its bytes have been read, and which not, with the reason.

Sizes are bytes on disk. Of a file that is read in part, the bytes are divided in proportion to the sizes of its
records, so that read and unread bytes always add up to the size of the source. Documents that a filter, the minimum
length or the search for duplicates removes later count as read: they are listed among the rejected documents.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.text.compressed import suffix
from danlu.text.documents import BINARY_CONTENT, Document, Rejected
from danlu.text.skipped_files import SkippedFile
from danlu.text.text_fields import FieldChoice, likely_field

WARN_SHARE = 0.05
"""Share of the readable bytes from which a loss is a warning."""

SHOWN_FIELDS = 8
SHOWN_FILES = 20


@dataclass
class Loss:
    """The records of a file that are not read for one reason."""

    first: Rejected
    records: int = 0
    size: int = 0


@dataclass
class FileCount:
    """What has been read of a file."""

    path: Path
    bytes: int
    note: str = ""
    choice: FieldChoice = field(default_factory=FieldChoice)
    documents: int = 0
    size: int = 0
    losses: dict[str, Loss] = field(default_factory=dict)

    def add(self, record: Document | Rejected) -> None:
        if isinstance(record, Document):
            self.documents += 1
            self.size += record.size or len(record.text.encode("utf-8", "surrogatepass"))
            return
        loss = self.losses.setdefault(record.reason, Loss(record))
        loss.records += 1
        loss.size += max(record.size, 1)

    def bytes_lost(self) -> dict[str, int]:
        """Return the bytes of the file that each reason took; the sum is at most its size."""
        whole = next((reason for reason, loss in self.losses.items() if loss.first.whole and not self.documents), None)
        if whole is not None:
            return {whole: self.bytes}
        total = self.size + sum(loss.size for loss in self.losses.values())
        lost = {reason: self.bytes * loss.size // total for reason, loss in self.losses.items()}
        if lost and not self.size:  # nothing is read: the remainder of the division is not either
            lost[next(iter(lost))] += self.bytes - sum(lost.values())
        return lost


class Account:
    """The account of all files of a source."""

    def __init__(self, skipped: Sequence[SkippedFile], fields_given: bool = False):
        self.skipped = skipped
        self.fields_given = fields_given  # otherwise the field of each file was searched for
        self.files: list[FileCount] = []

    def open(self, path: Path, note: str) -> FileCount:
        """Start the count of a file."""
        self.files.append(FileCount(path, os.stat(path).st_size, note))
        return self.files[-1]

    def facts(self) -> dict[str, Any]:
        """Return the account as JSON; `not_read` is sorted by bytes, the largest first."""
        entries: dict[Any, dict[str, Any]] = {}
        read_files = read_bytes = 0
        for file in self.files:
            lost = file.bytes_lost()
            read_bytes += file.bytes - sum(lost.values())
            read = bool(file.documents) or not lost
            read_files += read
            largest = max(lost, key=lambda reason: lost[reason], default=None)
            for reason, bytes_lost in lost.items():
                fields = tuple(sorted(file.losses[reason].first.fields))
                entry = entries.setdefault((reason, suffix(file.path), fields), _of_loss(file, reason))
                _add(entry, bytes_lost, int(not read and reason == largest), file.losses[reason].records)
        for skip in self.skipped:
            entry = entries.setdefault((skip.reason, skip.path.suffix.lower()), _of_skipped(skip))
            _add(entry, skip.bytes, 1, 0)
        self._advise_auto(entries.values())
        not_read = sorted(entries.values(), key=lambda e: (-e["bytes"], e["example"], e["reason"]))
        lost_bytes = sum(e["bytes"] for e in not_read if e["text"])
        readable = read_bytes + lost_bytes
        return {
            "files": len(self.files) + len(self.skipped),
            "bytes": sum(f.bytes for f in self.files) + sum(s.bytes for s in self.skipped),
            "read": {"files": read_files, "bytes": read_bytes},
            "not_read": not_read,
            "readable_bytes": readable,
            "lost_bytes": lost_bytes,
            "lost_share": lost_bytes / readable if readable else 0.0,
            "fields": [_fields(file) for file in self.files if file.choice.found][:SHOWN_FILES],
            "notes": [f"{file.path}: {file.note}" for file in self.files if file.note][:SHOWN_FILES],
        }

    def _advise_auto(self, entries: Iterable[dict[str, Any]]) -> None:
        """Advise to search for the field of each file where one name for all files would lose the others."""
        lost = [entry for entry in entries if entry["fields"]]
        fields = {entry["command"] for entry in lost} | {f.path for f in self.files if f.choice.found and f.documents}
        for entry in lost if self.fields_given and len(fields) > 1 else ():
            if not entry["command"].endswith("=NAME"):
                entry["command"] = "corpus.text_field=auto"
                entry["advice"] = f"set {entry['command']}"


def _of_loss(file: FileCount, reason: str) -> dict[str, Any]:
    """Return the entry of the records of a known format that are not read."""
    first = file.losses[reason].first
    entry = _entry(reason, suffix(file.path), file.path, first.hint, text=reason != BINARY_CONTENT)
    if first.fields:
        suggested = likely_field(first.fields) or next((f for f in file.choice.text if f in first.fields), None)
        entry["fields"] = list(first.fields)
        entry["command"] = f"corpus.text_field={suggested or 'NAME'}"
        entry["advice"] = f"set {entry['command']}"
    return entry


def _of_skipped(skip: SkippedFile) -> dict[str, Any]:
    entry = _entry(skip.reason, skip.path.suffix.lower(), skip.path, skip.advice, skip.text)
    return entry | {"command": printable(skip.command)}


def _entry(reason: str, kind: str, example: Path, advice: str, text: bool) -> dict[str, Any]:
    return {
        "reason": reason,
        "kind": kind,
        "text": text,  # whether it is text, or may contain some
        "files": 0,  # not read at all
        "bytes": 0,
        "records": 0,
        "in_files": 0,
        "example": printable(str(example)),
        "fields": [],
        "advice": printable(advice),
        "command": "",
    }


def _add(entry: dict[str, Any], size: int, files: int, records: int) -> None:
    entry["bytes"] += size
    entry["files"] += files
    entry["records"] += records
    entry["in_files"] += 1


def _fields(file: FileCount) -> dict[str, Any]:
    choice = file.choice
    return {
        "file": printable(str(file.path)),
        "field": next(iter(choice.text), None),
        "others": list(choice.others),
        "labels": choice.label,
    }


def printable(name: str) -> str:
    """Return a file name, which may be any bytes, as valid Unicode text."""
    return name.encode("utf-8", "backslashreplace").decode()


def is_large_loss(account: Mapping[str, Any] | None) -> bool:
    """Return whether a loss must be a warning."""
    return account is not None and account["lost_share"] > WARN_SHARE


def loss_lines(account: Mapping[str, Any] | None) -> list[str]:
    """Return a sentence for each kind of text that is not read, if their sum is a large share of the source."""
    if account is None or not is_large_loss(account):
        return []
    readable = account["readable_bytes"]
    lost = [entry for entry in account["not_read"] if entry["text"] and entry["bytes"]]
    shown = [e for e in lost if e["bytes"] > WARN_SHARE * readable] or lost[:1]
    lines = [
        f"{_percent(e['bytes'] / readable)} of the readable bytes, {format_bytes(e['bytes'])} in {where(e)}, "
        f"is not read: {explain(e)}"
        for e in shown
    ]
    share, size = _percent(account["lost_share"]), format_bytes(account["lost_bytes"])
    return lines if len(lost) == 1 else [f"{share} of the readable bytes, {size} in all, is not read", *lines]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def where(entry: Mapping[str, Any]) -> str:
    """Return the file of an entry, and how many more there are."""
    more = entry["in_files"] - 1
    return entry["example"] if not more else f"{entry['example']} and {more:,} more file{'s' * (more > 1)}"


def explain(entry: Mapping[str, Any]) -> str:
    """Return the reason of an entry, the fields that were found, and the advice."""
    names = ", ".join(entry["fields"][:SHOWN_FIELDS])
    found = f"; fields found: {names}" if names else ""
    advice = f"; {entry['advice']}" if entry["command"] else f" ({entry['advice']})" if entry["advice"] else ""
    return f"{entry['reason']}{found}{advice}"


def format_bytes(count: float) -> str:
    """Format a size, such as `1.5 MB`."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:.3g} {unit}"
    return f"{count:.0f} bytes"
