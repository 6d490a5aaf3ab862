"""`.txt` files, in three layouts: one document per file, per line, or per paragraph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from danlu.text.documents import MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.encodings import encoding_of, open_utf8
from danlu.text.formats.format import Format, Reading
from danlu.text.lines import BOM, Line, decode, raw_lines


def _document(data: bytes, name: str, offset: int, encoding: str) -> Document | Rejected:
    text = decode(data, name, offset, encoding)
    return text if isinstance(text, Rejected) else Document(text, name)


def whole_file(path: Path) -> Iterator[Document | Rejected]:
    """Yield the text of the file as one document."""
    encoding = encoding_of(path)
    with open_utf8(path, encoding) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        yield Rejected(TOO_LONG, str(path), "set documents to paragraphs or line")
    else:
        found = _document(data, str(path), 0, encoding)
        if isinstance(found, Document):
            found = Document(found.text.removeprefix(BOM.decode()).replace("\r\n", "\n").strip("\n"), found.name)
        yield found


def line_by_line(path: Path) -> Iterator[Document | Rejected]:
    """Yield every line that is not blank."""
    for line in raw_lines(path):
        name = f"{path}:{line.number}"
        if line.data is None:
            yield Rejected(TOO_LONG, name)
        elif not line.blank:
            yield _document(line.data, name, line.offset, line.encoding)


def paragraphs(path: Path) -> Iterator[Document | Rejected]:
    """Yield every block of lines between blank lines, named after the number of its first line."""
    block: list[Line] = []
    size = 0
    for line in raw_lines(path):
        if line.blank:
            yield from _block(path, block, size)
            block, size = [], 0
            continue
        size += MAX_BYTES + 1 if line.data is None else len(line.data) + 1
        if size <= MAX_BYTES or not block:
            block.append(line)  # a block that is too long is counted to its end, but no longer held in memory
    yield from _block(path, block, size)


def _block(path: Path, block: list[Line], size: int) -> Iterator[Document | Rejected]:
    if not block:
        return
    name = f"{path}:{block[0].number}"
    if size > MAX_BYTES:
        yield Rejected(TOO_LONG, name)
        return
    joined = b"\n".join(line.data or b"" for line in block)
    yield _document(joined, name, block[0].offset, block[0].encoding)


LAYOUTS: dict[str, Callable[[Path], Iterator[Document | Rejected]]] = {
    "file": whole_file,
    "line": line_by_line,
    "paragraphs": paragraphs,
}


class PlainText(Format):
    """Plain text."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt",)

    def layout(self, reading: Reading) -> str:
        return reading.layout

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        return LAYOUTS[reading.layout](path)
