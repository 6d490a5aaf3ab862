"""Exact duplicates up to case and white space, found in bounded memory."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from danlu.text.normal_form import variant_key, variant_rank

OFFER = """
INSERT INTO representatives VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET rank = excluded.rank WHERE excluded.rank < rank
"""


class Representatives:
    """The representative of each normal form among the texts offered so far.

    Only hashes are stored, in a temporary table that SQLite spills to disk. Use it as a context manager.
    """

    def __init__(self) -> None:
        self._table = sqlite3.connect("", isolation_level=None)  # "" is a temporary database on disk
        self._table.execute("PRAGMA journal_mode = OFF")
        self._table.execute("PRAGMA synchronous = OFF")
        self._table.execute("CREATE TABLE representatives (key BLOB PRIMARY KEY, rank BLOB) WITHOUT ROWID")
        self._table.execute("BEGIN")
        self.forms = 0
        """Number of different normal forms."""
        self.superseded = 0
        """How often a text replaced an earlier representative."""

    def _execute(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._table.execute(statement, values)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, str(error)) from None
            raise

    def offer(self, text: str) -> bool:
        """Add a text; return whether it now represents its variants. An equal text is accepted only once.

        Raises OSError when the disk is full, UnicodeEncodeError for an unpaired surrogate.
        """
        rank = variant_rank(text)  # before the key, so that an encoding error names the position in the original text
        key = variant_key(text)
        new = self._execute("SELECT 1 FROM representatives WHERE key = ?", [key]).fetchone() is None
        accepted = self._execute(OFFER, [key, rank]).rowcount == 1
        self.forms += new
        self.superseded += accepted and not new
        return accepted

    def represents(self, text: str) -> bool:
        """Return whether the text is the representative of its variants among all texts offered."""
        found = self._execute("SELECT rank FROM representatives WHERE key = ?", [variant_key(text)]).fetchone()
        return found is not None and found[0] == variant_rank(text)

    def __enter__(self) -> Representatives:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._table.close()
