"""Text in terminal columns, where a Chinese character takes two: widths, padding and line breaks."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

NOT_FIRST = "、，。；：？！）」』】》〉”’…–%)]}>,.;:!?"
"""Characters that no line begins with."""

NOT_LAST = "（「『【《〈“‘([{<"
"""Characters that no line ends with."""

WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff"
PIECE = re.compile(rf"\s+|`[^`]+`|\[[^\]]{{,24}}\]|[{WIDE}]|(?:(?![\[`])[^\s{WIDE}])+|.")
"""What a line is made of: white space, `code`, a [short note], one wide character, or a run of others."""


def width(text: str) -> int:
    """Return the columns that a text takes on a terminal: wide characters two, combining ones none."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else unicodedata.category(c) not in ("Mn", "Me") for c in text
    )


def padded(text: str, columns: int, right: bool = False) -> str:
    """Fill a text up with spaces to `columns`; `right` puts them before it."""
    space = " " * (columns - width(text))
    return space + text if right else text + space


def wrapped(text: str, columns: int) -> list[str]:
    """Break a text into lines of at most `columns`, between words or between Chinese characters.

    White space where a line breaks is dropped. A word that is wider than a line is cut.
    """
    lines, line = [], ""
    for piece in unbreakable(text):
        if line.strip() and width(line + piece.rstrip()) > columns:
            lines.append(line.rstrip())
            line = ""
        *full, rest = cut(piece if line else piece.lstrip(), columns)
        lines += full
        line += rest
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def cut(word: str, columns: int) -> list[str]:
    """Cut a word into pieces of at most `columns`."""
    found = [""]
    for character in word:
        if found[-1] and width(found[-1] + character) > columns:
            found.append("")
        found[-1] += character
    return found


def unbreakable(text: str) -> list[str]:
    """Return the pieces of a text between which a line may break."""
    pieces = PIECE.findall(" ".join(text.split()))
    found = pieces[:1]
    for before, piece in pairwise(pieces):
        if before != " " and (piece[0] in NOT_FIRST or before[-1] in NOT_LAST):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def visible(token: str) -> str:
    """White space as signs, so that columns hold."""
    return token.replace("\n", "⏎").replace("\t", "→").replace("\r", "␍")
