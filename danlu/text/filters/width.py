"""A filter that makes full-width Latin letters and digits half-width."""

from __future__ import annotations

from typing import Literal

from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter

OFFSET = 0xFEE0
"""Code point of a full-width form minus that of its ASCII character."""

HALF_WIDTH = {ord(c) + OFFSET: c for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"}


@filters.register
class Width(Filter):
    """Make full-width Latin letters and digits half-width: ＡＢ１ becomes AB1. Chinese punctuation stays full-width."""

    name: Literal["width"] = "width"

    def build(self) -> Clean:
        return lambda text: text.translate(HALF_WIDTH)
