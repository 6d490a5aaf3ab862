"""The lines of a file with the place of each, never holding more than one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu.text.documents import MAX_BYTES, Rejected
from danlu.text.encodings import encoding_of, open_utf8

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1; `offset` is its first byte in the decompressed file as UTF-8; `data` has no line end.

    data is None when the line is longer than a document may be; `encoding` is the file's.
    """

    number: int
    offset: int
    data: bytes | None
    encoding: str = "utf-8"

    @property
    def blank(self) -> bool:
        # decoded, because an ideographic space (U+3000) is white space too
        return self.data is not None and not self.data.decode("utf-8", "replace").strip()


def raw_lines(path: Path) -> Iterator[Line]:
    """Every line of `path` as UTF-8; a byte order mark is dropped."""
    number = offset = 0
    encoding = encoding_of(path)
    with open_utf8(path, encoding) as file:
        while data := file.readline(MAX_BYTES + 1):
            number, start, whole = number + 1, offset, True
            offset += len(data)
            if len(data) > MAX_BYTES and not data.endswith(b"\n"):
                whole = False
                while rest := file.readline(MAX_BYTES):
                    offset += len(rest)
                    if rest.endswith(b"\n"):
                        break
            yield Line(number, start, _bare(data, start) if whole else None, encoding)


def _bare(data: bytes, start: int) -> bytes:
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    return data.removeprefix(BOM) if start == 0 else data


def decode(data: bytes, name: str, offset: int, encoding: str = "utf-8") -> str | Rejected:
    """The text of UTF-8 bytes, or what is at fault: of a UTF-8 file, which byte (0 is the first)."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {offset + error.start} is 0x{data[error.start]:02x}" if encoding == "utf-8" else ""
        return Rejected(f"not {encoding.upper()}", name, where)
