"""Exact duplicates, found with memory that does not grow with the corpus."""

from __future__ import annotations

import errno
import hashlib
import sqlite3
from types import TracebackType


def text_key(text: str) -> bytes:
    """16 bytes that are equal for texts that differ in white space only."""
    return hashlib.blake2b(" ".join(text.split()).encode(), digest_size=16).digest()


class SeenTexts:
    """The texts met so far, as hashes in a temporary table that SQLite spills to disk; a context manager."""

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None)  # "" is a temporary database on disk
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID")
        self._table.execute("BEGIN")

    def add(self, text: str) -> bool:
        """True when the text is new; OSError when the disk is full."""
        try:
            return self._table.execute("INSERT OR IGNORE INTO seen VALUES (?)", (text_key(text),)).rowcount == 1
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error)) from None
            raise

    def __enter__(self) -> SeenTexts:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.close()
