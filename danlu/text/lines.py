"""Lines of a file with their positions; at most one document is held in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu.text.documents import MAX_BYTES, Rejected
from danlu.text.encodings import encoding_of, open_utf8

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    number: int
    """Counted from 1."""
    offset: int
    """Position of the first byte in the decompressed file as UTF-8."""
    data: bytes | None
    """UTF-8 without the line end; None if the line exceeds the maximum size of a document."""
    encoding: str = "utf-8"
    """Encoding of the file."""
    size: int = 0
    """Bytes of the line with its end, as UTF-8."""

    @property
    def blank(self) -> bool:
        # decoded, because U+3000, the ideographic space, is white space too
        return self.data is not None and not self.data.decode("utf-8", "replace").strip()


def raw_lines(path: Path) -> Iterator[Line]:
    """Yield every line of `path` as UTF-8, without a byte order mark."""
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
            yield Line(number, start, _without_line_end(data, start) if whole else None, encoding, offset - start)


def _without_line_end(data: bytes, start: int) -> bytes:
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    return data.removeprefix(BOM) if start == 0 else data


def decode(data: bytes, name: str, offset: int, encoding: str = "utf-8") -> str | Rejected:
    """Decode UTF-8 bytes or return a rejection, which names the invalid byte, counted from 0, of a UTF-8 file."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte {offset + error.start} is 0x{data[error.start]:02x}" if encoding == "utf-8" else ""
        return Rejected(f"not {encoding.upper()}", name, where)
