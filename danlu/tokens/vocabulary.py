"""What the rest of the house may know of a tokenizer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Ids are 0 .. size - 1. Those below `first_ordinary` are special and never come from raw text."""

    size: int
    bos: int
    eos: int
    mask: int
    pad: int
    first_ordinary: int
