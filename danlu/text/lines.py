"""The lines of a file with the place of each, never holding more than one document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from danlu.text.compressed import open_bytes
from danlu.text.documents import MAX_BYTES, Rejected

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """`number` counts from 1; `offset` is its first byte in the decompressed file; `data` has no line end.

    data is None when the line is longer than a document may be.
    """

    number: int
    offset: int
    data: bytes | None

    @property
    def blank(self) -> bool:
        # decoded, because an ideographic space (U+3000) is white space too
        return self.data is not None and not self.data.decode("utf-8", "replace").strip()


def raw_lines(path: Path) -> Iterator[Line]:
    """Every line of `path`; a byte order mark is dropped."""
    number = offset = 0
    with open_bytes(path) as file:
        while data := file.readline(MAX_BYTES + 1):
            number, start, whole = number + 1, offset, True
            offset += len(data)
            if len(data) > MAX_BYTES and not data.endswith(b"\n"):
                whole = False
                while rest := file.readline(MAX_BYTES):
                    offset += len(rest)
                    if rest.endswith(b"\n"):
                        break
            yield Line(number, start, _bare(data, start) if whole else None)


def _bare(data: bytes, start: int) -> bytes:
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    return data.removeprefix(BOM) if start == 0 else data


def decode(data: bytes, name: str, offset: int) -> str | Rejected:
    """UTF-8 text, or which byte of the file (0 is the first) is at fault."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Rejected("not UTF-8", name, f"byte {offset + error.start} is 0x{data[error.start]:02x}")
