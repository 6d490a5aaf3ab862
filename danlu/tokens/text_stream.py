"""Incremental decoding of ids into whole characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

REPLACEMENT = "\ufffd"


class TextStream:
    """Incremental decoding: the results of `add` and `end`, concatenated, are `decode` of all ids.

    A token is decoded together with the previous one, because some kinds put a space between words but not before the
    first. If the previous token is only a space, earlier ones are included, because some kinds drop leading spaces.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._context: list[int] = []
        self._pending: list[int] = []

    def _new_text(self) -> str:
        return self._decode([*self._context, *self._pending])[len(self._decode(self._context)) :]

    def add(self, id: int) -> str:
        """Add a token and return the characters that it completes."""
        self._pending.append(id)
        text = self._new_text()
        if text.endswith(REPLACEMENT):
            return ""
        blank = not self._decode(self._pending).strip()
        self._context, self._pending = [*self._context, *self._pending] if blank else self._pending, []
        return text

    def end(self) -> str:
        """Return the rest: U+FFFD if the last character is incomplete."""
        text = self._new_text() if self._pending else ""
        self._pending = []
        return text
