"""Prose in files, in three layouts: one document per file, per line, or per paragraph.

Plain text and light markup (`.txt`, `.md`, `.rst`, `.pod`) are read without conversion. Formats from which the text is
extracted are subclasses of `Extracted`. All of them follow one rule (`layout.py`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from danlu.text.documents import BINARY_CONTENT, MAX_BYTES, TOO_LONG, Document, Rejected
from danlu.text.encodings import encoding_of, is_binary, open_utf8
from danlu.text.formats.format import Format, Reading
from danlu.text.lines import BOM, Line, decode, raw_lines


def _document(data: bytes, name: str, offset: int, encoding: str, size: int) -> Document | Rejected:
    text = decode(data, name, offset, encoding)
    return Rejected(text.reason, name, text.hint, size) if isinstance(text, Rejected) else Document(text, name, size)


def whole_file(path: Path) -> Iterator[Document | Rejected]:
    """Yield the text of the file as one document."""
    encoding = encoding_of(path)
    with open_utf8(path, encoding) as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        yield Rejected(TOO_LONG, str(path), "set documents to paragraphs or line", whole=True)
    else:
        found = _document(data, str(path), 0, encoding, len(data))
        if isinstance(found, Document):
            text = found.text.removeprefix(BOM.decode()).replace("\r\n", "\n").strip("\n")
            found = Document(text, found.name, found.size)
        yield found


def line_by_line(path: Path, lines: Iterator[Line]) -> Iterator[Document | Rejected]:
    """Yield every line that is not blank."""
    for line in lines:
        name = f"{path}:{line.number}"
        if line.data is None:
            yield Rejected(TOO_LONG, name, size=line.size)
        elif not line.blank:
            yield _document(line.data, name, line.offset, line.encoding, line.size)


def paragraphs(path: Path, lines: Iterator[Line]) -> Iterator[Document | Rejected]:
    """Yield every block of lines between blank lines, named after the number of its first line."""
    block: list[Line] = []
    size = 0
    for line in lines:
        if line.blank:
            yield from _block(path, block, size)
            block, size = [], 0
            continue
        size += max(line.size, MAX_BYTES + 1) if line.data is None else len(line.data) + 1
        if size <= MAX_BYTES or not block:
            block.append(line)  # a block that is too long is counted to its end, but no longer held in memory
    yield from _block(path, block, size)


def _block(path: Path, block: list[Line], size: int) -> Iterator[Document | Rejected]:
    if not block:
        return
    name = f"{path}:{block[0].number}"
    if size > MAX_BYTES:
        yield Rejected(TOO_LONG, name, size=size)
        return
    joined = b"\n".join(line.data or b"" for line in block)
    yield _document(joined, name, block[0].offset, block[0].encoding, size)


LAYOUTS: dict[str, Callable[[Path, Iterator[Line]], Iterator[Document | Rejected]]] = {
    "line": line_by_line,
    "paragraphs": paragraphs,
}


class Prose(Format):
    """The base class of the formats whose files are divided into documents by the layout."""

    prose: ClassVar[bool] = True

    def layout(self, reading: Reading) -> str:
        return reading.layout

    @abstractmethod
    def lines(self, path: Path) -> Iterator[Line]:
        """Yield the lines of the text of a file; nothing of a file without text."""


class PlainText(Prose):
    """Plain text, and light markup that is read as text without conversion."""

    suffixes: ClassVar[tuple[str, ...]] = (".txt", ".md", ".markdown", ".rst", ".pod")

    def lines(self, path: Path) -> Iterator[Line]:
        return iter(()) if is_binary(path) else raw_lines(path)

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        if is_binary(path):
            yield Rejected(BINARY_CONTENT, str(path), whole=True)
        elif reading.layout == "file":
            yield from whole_file(path)
        else:
            yield from LAYOUTS[reading.layout](path, raw_lines(path))


class Extracted(Prose):
    """The base class of the formats from which an optional library extracts the text."""

    binary: ClassVar[bool] = True

    @abstractmethod
    def text(self, path: Path) -> str | Rejected:
        """Return the text of a file."""

    def lines(self, path: Path) -> Iterator[Line]:
        text = self.text(path)
        return iter(()) if isinstance(text, Rejected) else _lines_of(text)

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        text = self.text(path)
        if isinstance(text, Rejected):
            yield Rejected(text.reason, str(path), text.hint, whole=True)
        elif not text.strip():
            yield Rejected("no text in the file", str(path), whole=True)
        elif reading.layout == "file":
            yield Document(text, str(path), len(text.encode("utf-8", "surrogatepass")))
        else:
            yield from LAYOUTS[reading.layout](path, _lines_of(text))


def _lines_of(text: str) -> Iterator[Line]:
    offset = 0
    for number, line in enumerate(text.split("\n"), 1):
        data = line.encode("utf-8", "surrogatepass")
        yield Line(number, offset, data, size=len(data) + 1)
        offset += len(data) + 1


class SourceCode(Format):
    """Source code: one document per file, read as text without conversion."""

    suffixes: ClassVar[tuple[str, ...]] = (
        ".py", ".pyi", ".js", ".mjs", ".jsx", ".ts", ".tsx", ".c", ".h", ".cc", ".cpp", ".cxx", ".hpp", ".hh", ".java",
        ".kt", ".scala", ".go", ".rs", ".swift", ".cs", ".m", ".rb", ".php", ".pl", ".pm", ".lua", ".r", ".jl", ".sh",
        ".bash", ".sql", ".hs", ".ml", ".clj", ".el", ".lisp", ".f90", ".pas", ".dart", ".zig",
    )  # fmt: skip

    def layout(self, reading: Reading) -> str:
        return "file"

    def read(self, path: Path, reading: Reading) -> Iterator[Document | Rejected]:
        if is_binary(path):
            yield Rejected(BINARY_CONTENT, str(path), whole=True)
        else:
            yield from whole_file(path)
