"""metrics.jsonl: the only source of every number shown later, continued seamlessly after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from danlu.durable import explain_disk
from danlu.errors import WrongInput

CLOCK_FIELDS = frozenset({"time", "seconds", "tokens_per_second"})
"""Fields that depend on the clock: the only ones in which a resumed run differs from an uninterrupted one."""


class Journal:
    """Appends records to a file; `position` is durable and stored with every checkpoint."""

    def __init__(self, path: Path):
        self.path = path
        with explain_disk(path):
            self._file = path.open("ab")

    def write(self, record: dict[str, Any]) -> None:
        with explain_disk(self.path):
            self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._file.flush()

    def position(self) -> int:
        """Flush to disk and return the number of bytes written."""
        with explain_disk(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def rewind(self, position: int) -> None:
        """Drop the records after `position`: work that no checkpoint holds and that will be repeated."""
        self.require(position)
        self._file.truncate(position)
        self._file.seek(position)
        self.position()

    def require(self, position: int) -> None:
        """Raise WrongInput if the file is shorter than what finished work wrote."""
        if (found := self._file.seek(0, os.SEEK_END)) < position:
            raise WrongInput(
                f"{self.path} has {found} bytes, but finished work wrote {position}; restore the file, or choose "
                "another folder with --out"
            )

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield every complete record."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
