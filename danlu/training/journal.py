"""The journal of a run, metrics.jsonl: the source of all reported numbers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from danlu.durable import explain_write_errors
from danlu.errors import WrongInput

CLOCK_FIELDS = frozenset({"time", "seconds", "tokens_per_second"})
"""Fields that depend on the clock. A resumed run differs from an uninterrupted one in these fields only."""


class Journal:
    """An append-only file of records. Checkpoints store its length, to which it is truncated when a run resumes."""

    def __init__(self, path: Path):
        self.path = path
        with explain_write_errors(path):
            self._file = path.open("ab")

    def write(self, record: dict[str, Any]) -> None:
        """Append a record as a line of JSON."""
        with explain_write_errors(self.path):
            self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._file.flush()

    def position(self) -> int:
        """Flush to disk and return the number of bytes written."""
        with explain_write_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def rewind(self, position: int) -> None:
        """Truncate the file to `position`; the dropped records belong to steps that will be repeated."""
        self.require(position)
        self._file.truncate(position)
        self._file.seek(position)
        self.position()

    def require(self, position: int) -> None:
        """Raise WrongInput if the file is shorter than `position`, the length after the finished steps."""
        if (found := self._file.seek(0, os.SEEK_END)) < position:
            raise WrongInput(
                f"{self.path} has {found} bytes, but {position} were written; restore the file, or choose another "
                "folder with --out"
            )

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield all complete records of a journal."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
