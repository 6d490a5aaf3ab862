"""Width, padding and line breaks of terminal text, in which a Chinese character takes two columns."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

NOT_FIRST = "、，。；：？！）」』】》〉”’…–%)]}>,.;:!?"
"""Characters that must not start a line."""

NOT_LAST = "（「『【《〈“‘([{<"
"""Characters that must not end a line."""

WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff"
PIECE = re.compile(rf"\s+|`[^`]+`|\[[^\]]{{,24}}\]|[{WIDE}]|(?:(?![\[`])[^\s{WIDE}])+|.")
"""Pieces that are never cut: white space, `code`, a [short note], a wide character, or a run of other characters."""


def width(text: str) -> int:
    """Return the width of a text in columns: two for a wide character, none for a combining one."""
    return sum(
        2 if unicodedata.east_asian_width(c) in "WF" else unicodedata.category(c) not in ("Mn", "Me") for c in text
    )


def padded(text: str, columns: int, align_right: bool = False) -> str:
    """Pad a text with spaces to a width of `columns`, on the left if `align_right`."""
    space = " " * (columns - width(text))
    return space + text if align_right else text + space


def wrapped(text: str, columns: int) -> list[str]:
    """Break a text into lines of at most `columns`, between words or between Chinese characters.

    White space at a line break is dropped. A word that is wider than a line is cut.
    """
    lines, line = [], ""
    for piece in split_pieces(text):
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


def split_pieces(text: str) -> list[str]:
    """Split a text into pieces between which a line may break."""
    pieces = PIECE.findall(" ".join(text.split()))
    found = pieces[:1]
    for before, piece in pairwise(pieces):
        if before != " " and (piece[0] in NOT_FIRST or before[-1] in NOT_LAST):
            found[-1] += piece
        else:
            found.append(piece)
    return found


def show_whitespace(token: str) -> str:
    """Replace line breaks and tabs with visible symbols, so that columns stay aligned."""
    return token.replace("\n", "⏎").replace("\t", "→").replace("\r", "␍")
