"""Ids to text as they come, never half a character."""

from __future__ import annotations

from collections.abc import Callable, Sequence

UNFINISHED = "\ufffd"


class TextStream:
    """What `add` and `end` return, one after another, is `decode` of all ids. A token is decoded behind the last one
    that was shown, for some kinds put a space between words and none before the first; where that is a mere space,
    behind what is before it too, for some kinds drop every space at the beginning."""

    def __init__(self, decode: Callable[[Sequence[int]], str]):
        self._decode = decode
        self._shown: list[int] = []
        self._held: list[int] = []

    def _new(self) -> str:
        return self._decode([*self._shown, *self._held])[len(self._decode(self._shown)) :]

    def add(self, id: int) -> str:
        """The characters that this token completes."""
        self._held.append(id)
        text = self._new()
        if text.endswith(UNFINISHED):
            return ""
        blank = not self._decode(self._held).strip()
        self._shown, self._held = [*self._shown, *self._held] if blank else self._held, []
        return text

    def end(self) -> str:
        """What is left: U+FFFD where a character was never completed."""
        text = self._new() if self._held else ""
        self._held = []
        return text
