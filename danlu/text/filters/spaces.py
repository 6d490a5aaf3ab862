"""A filter that normalises white space and removes invisible characters."""

from __future__ import annotations

import re
from typing import Literal

from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter

LINE_END = re.compile(r"\r\n?|\x85|\u2028|\u2029")
INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\ufeff]")
BLANK = re.compile(r"[\xa0\u2000-\u200a\u202f\u205f]")
TRAILING = re.compile(r"[ \t\u3000]+$", re.MULTILINE)
BLANK_LINES = re.compile(r"\n{3,}")


def normalise_spaces(text: str) -> str:
    """Return the text with normalised white space.

    Indentation, ideographic spaces inside a line and joiners, which shape letters, are preserved.
    """
    text = BLANK.sub(" ", INVISIBLE.sub("", LINE_END.sub("\n", text)))
    return BLANK_LINES.sub("\n\n", TRAILING.sub("", text)).strip("\n")


@filters.register
class Spaces(Filter):
    """Remove white space at the ends of lines, repeated blank lines, control characters and zero-width characters.

    Unusual spaces and line ends become ordinary ones. Indentation is preserved.
    """

    name: Literal["spaces"] = "spaces"

    def build(self) -> Clean:
        return normalise_spaces
