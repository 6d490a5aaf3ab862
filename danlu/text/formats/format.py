"""What a file format is to the readers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu.text.documents import Document, Rejected


@dataclass(frozen=True)
class Reading:
    """What a recipe says about reading: the field or column of the text, and how documents lie in plain text."""

    text_field: str
    layout: str = "file"


@dataclass(frozen=True)
class Format:
    """suffixes: of its files, without that of a compression; layout(reading): how documents lie, in a word or two;
    read: the documents of a file, and what is rejected with the reason."""

    suffixes: tuple[str, ...]
    layout: Callable[[Reading], str]
    read: Callable[[Path, Reading], Iterator[Document | Rejected]]
