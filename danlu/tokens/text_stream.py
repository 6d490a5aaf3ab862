"""Ids to text as they come, never half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"


class TextStream:
    """What `add` and `end` return, one after another, is `decode` of all ids; `decode` must be additive where a
    character ends, as that of byte-level tokenizers is."""

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._held: list[int] = []

    def add(self, id: int) -> str:
        """The characters that this token completes."""
        self._held.append(id)
        text = self._decode(self._held)
        if text.endswith(UNFINISHED):
            return ""
        self._held.clear()
        return text

    def end(self) -> str:
        """What is left: U+FFFD where a character was never completed."""
        text = self._decode(self._held)
        self._held.clear()
        return text
