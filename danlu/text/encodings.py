"""Detect the encoding of text files and read them as UTF-8.

UTF-8, UTF-16 with or without a byte order mark, and GB18030 (which includes GBK and GB2312) are detected. Any other
file is read as UTF-8, and its broken records are rejected one by one.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from danlu.text.compressed import open_bytes

SAMPLE = 1 << 20
"""Bytes at the beginning of a file from which its encoding is detected."""

CERTAIN = 0.9
"""Minimum share of plausible characters for a guess to be accepted."""

ADJACENT = 0.5
"""Minimum share of non-ASCII characters next to another one for a text to be considered Chinese."""

REPLACEMENT = "\ufffd"

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def _decode_sample(sample: bytes, encoding: str) -> str:
    """Decode a sample, which may end inside a character, with U+FFFD for invalid bytes."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _is_mostly_utf8(sample: bytes) -> bool:
    """Return whether a sample is UTF-8, apart from a few invalid bytes.

    A UTF-8 file with a few broken records has far more non-ASCII characters than invalid bytes.
    """
    text = _decode_sample(sample, "utf-8")
    broken = text.count(REPLACEMENT)
    return not broken or sum(ord(c) > 127 for c in text) - broken > 10 * broken


def _common_han_share(text: str) -> float:
    """Return the share of the non-ASCII characters in GB2312 (simplified) or Big5 (traditional), whichever is larger.

    Decoding with the wrong encoding gives rare characters, which neither table contains.
    """
    non_ascii = [c for c in text if ord(c) > 127]
    common = (sum(len(c.encode(table, "ignore")) > 0 for c in non_ascii) for table in ("gb2312", "big5"))
    return max(common) / len(non_ascii) if non_ascii else 0.0


def _adjacent_share(text: str) -> float:
    """Return the share of the non-ASCII characters that are next to another one.

    Han characters are adjacent to each other. In text of another encoding, an accented letter or apostrophe and the
    letter after it are decoded as one isolated Han character.
    """
    adjacent = sum(map(len, re.findall(r"[^\x00-\x7f]{2,}", text)))
    return adjacent / max(sum(ord(c) > 127 for c in text), 1)


def _plausible_share(text: str) -> float:
    """Return the share of printable ASCII, Han characters, Chinese punctuation and full-width forms."""
    plausible = re.findall(r"[ -~\t\r\n\u3000-\u9fff\uff00-\uffef\u2010-\u2026]", text)
    return len(plausible) / max(len(text), 1)


def detect_encoding(sample: bytes) -> str:
    """Return the Python name of the encoding of a file that begins with `sample`."""
    for mark, encoding in MARKS.items():
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        shares = {name: _plausible_share(_decode_sample(sample, name)) for name in ("utf-16-le", "utf-16-be")}
        best = max(shares, key=lambda name: shares[name])
        return best if shares[best] >= CERTAIN else "utf-8"
    if _is_mostly_utf8(sample):
        return "utf-8"
    chinese = _decode_sample(sample, "gb18030")
    return "gb18030" if _common_han_share(chinese) >= CERTAIN and _adjacent_share(chinese) >= ADJACENT else "utf-8"


def encoding_of(path: Path) -> str:
    """Return the Python name of the encoding of a file."""
    with open_bytes(path) as file:
        return detect_encoding(file.read(SAMPLE))


CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))

BINARY_SHARE = 0.02
"""Share of control characters from which a file with a zero byte is not text."""

BINARY_SAMPLE = 1 << 16


def is_binary_sample(sample: bytes) -> bool:
    """Return whether a file that begins with `sample` is not text in any encoding."""
    if b"\0" not in sample or detect_encoding(sample) != "utf-8":
        return False
    return len(sample) - len(sample.translate(None, CONTROL)) > BINARY_SHARE * len(sample)


def is_binary(path: Path) -> bool:
    """Return whether a file, decompressed, is not text in any encoding."""
    with open_bytes(path) as file:
        return is_binary_sample(file.read(BINARY_SAMPLE))


def looks_like_text(path: Path) -> bool:
    """Return whether an unknown file is text: valid in its encoding, without control characters."""
    with path.open("rb") as file:
        sample = file.read(BINARY_SAMPLE)
    text = _decode_sample(sample, detect_encoding(sample))
    return bool(sample) and REPLACEMENT not in text[:-1] and not set(text) & set(CONTROL.decode())


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """Decode invalid bytes as a lone surrogate, which `_Utf8Reader` encodes as the byte 0xff.

    So only the record is rejected, not the whole file.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("danlu.mark_invalid", _mark_invalid)


class _Utf8Reader(io.RawIOBase):
    """A binary file re-encoded as UTF-8 while it is read."""

    def __init__(self, file: BinaryIO, encoding: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("danlu.mark_invalid")
        self._ready = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            data = self._file.read(1 << 16)
            self._ended = not data
            self._ready = self._decoder.decode(data, self._ended).encode("utf-8", "surrogateescape")
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


@contextmanager
def open_utf8(path: Path, encoding: str | None = None) -> Iterator[BinaryIO]:
    """Open a file as UTF-8 bytes. Bytes that are invalid in its encoding become 0xff, which never occurs in UTF-8."""
    encoding = encoding or encoding_of(path)
    with open_bytes(path) as file:
        yield file if encoding == "utf-8" else io.BufferedReader(_Utf8Reader(file, encoding))  # type: ignore[misc]
