"""metrics.jsonl: the one source of every number shown later, continued without a seam after a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from danlu.durable import explain_disk
from danlu.errors import WrongInput

CLOCK_FIELDS = frozenset({"time", "seconds", "tokens_per_second"})
"""Fields that say when, not what: the only ones in which a resumed run differs from an undisturbed one."""


class Journal:
    """Appends records; `position` is durable and is what a checkpoint remembers."""

    def __init__(self, path: Path):
        self.path = path
        with explain_disk(path):
            self._file = path.open("ab")

    def write(self, record: dict[str, Any]) -> None:
        with explain_disk(self.path):
            self._file.write(json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n")
            self._file.flush()

    def position(self) -> int:
        """Bytes written so far, all of them on disk when this returns."""
        with explain_disk(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())
        return self._file.tell()

    def rewind(self, position: int) -> None:
        """Drop what was written after `position`: work that no checkpoint holds and that will be done again."""
        self.require(position)
        self._file.truncate(position)
        self._file.seek(position)
        self.position()

    def require(self, position: int) -> None:
        """WrongInput when there are fewer bytes than finished work has written."""
        if (found := self._file.seek(0, os.SEEK_END)) < position:
            raise WrongInput(
                f"{self.path} has {found} bytes where finished work wrote {position}; put the file back, or choose "
                "another folder with --out"
            )

    def close(self) -> None:
        self._file.close()


def read_journal(path: Path) -> Iterator[dict[str, Any]]:
    """Every complete record."""
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)
