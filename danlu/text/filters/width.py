"""Full-width letters and digits become half-width ones; Chinese punctuation stays full-width."""

from __future__ import annotations

from typing import Literal

from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter

OFFSET = 0xFEE0
"""From an ASCII character to its full-width form."""

HALF_WIDTH = {ord(c) + OFFSET: c for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}


@filters.register
class Width(Filter):
    """Full-width Latin letters and digits become half-width ones (ＡＢ１ becomes AB1); Chinese punctuation stays."""

    name: Literal["width"] = "width"

    def build(self) -> Clean:
        return lambda text: text.translate(HALF_WIDTH)
