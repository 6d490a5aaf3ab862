"""Text files in other encodings than UTF-8, read as if they were UTF-8.

Recognised: UTF-8, UTF-16 with or without a byte order mark, and GB18030 (with it GBK and GB2312). What fits none is
taken for UTF-8, whose broken records are then rejected one by one.
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
"""Bytes looked at."""

CERTAIN = 0.9
"""Share of characters beyond ASCII that must be common ones before a guess is believed."""

IN_COMPANY = 0.5
"""Share of them that must stand beside another one before they are taken for Chinese."""

REPLACEMENT = "\ufffd"

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def _decoded(sample: bytes, encoding: str) -> str:
    """The sample, which may end inside a character, with U+FFFD for what is none."""
    return codecs.getincrementaldecoder(encoding)("replace").decode(sample)


def _mostly_utf8(sample: bytes) -> bool:
    """No byte at fault, or far more whole characters beyond ASCII than such bytes: a file with a few broken records."""
    text = _decoded(sample, "utf-8")
    broken = text.count(REPLACEMENT)
    return not broken or sum(ord(c) > 127 for c in text) - broken > 10 * broken


def _common_han(text: str) -> float:
    """The share of the characters beyond ASCII that GB2312 has (simplified), or, if that is more, Big5 (traditional): a
    wrong guess falls outside the common Han of both."""
    beyond = [c for c in text if ord(c) > 127]
    common = (sum(len(c.encode(table, "ignore")) > 0 for c in beyond) for table in ("gb2312", "big5"))
    return max(common) / len(beyond) if beyond else 0.0


def _in_company(text: str) -> float:
    """The share of the characters beyond ASCII that stand beside another one. Han do; an accent or an apostrophe of
    another encoding, read as Han together with the letter behind it, stands alone."""
    beside = sum(map(len, re.findall(r"[^\x00-\x7f]{2,}", text)))
    return beside / max(sum(ord(c) > 127 for c in text), 1)


def _plain(text: str) -> float:
    """The share of characters that are ASCII without controls, Han, or the punctuation and wide forms beside them."""
    plain = re.findall(r"[ -~\t\r\n\u3000-\u9fff\uff00-\uffef\u2010-\u2026]", text)
    return len(plain) / max(len(text), 1)


def recognise(sample: bytes) -> str:
    """The encoding of the beginning of a file, by its Python name."""
    for mark, encoding in MARKS.items():
        if sample.startswith(mark):
            return encoding
    if b"\0" in sample:
        plain = {name: _plain(_decoded(sample, name)) for name in ("utf-16-le", "utf-16-be")}
        best = max(plain, key=lambda name: plain[name])
        return best if plain[best] >= CERTAIN else "utf-8"
    if _mostly_utf8(sample):
        return "utf-8"
    chinese = _decoded(sample, "gb18030")
    return "gb18030" if _common_han(chinese) >= CERTAIN and _in_company(chinese) >= IN_COMPANY else "utf-8"


def encoding_of(path: Path) -> str:
    with open_bytes(path) as file:
        return recognise(file.read(SAMPLE))


def _no_text(error: UnicodeError) -> tuple[str, int]:
    """A lone surrogate, which becomes the byte 0xff below: a record that holds it is rejected, not the file."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udcff", error.end


codecs.register_error("danlu.no_text", _no_text)


class _AsUtf8(io.RawIOBase):
    """The bytes of `file` as UTF-8, a piece at a time."""

    def __init__(self, file: BinaryIO, encoding: str):
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("danlu.no_text")
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
    """The text of a file as UTF-8 bytes; where there is no text in its encoding stands 0xff, which UTF-8 never has."""
    encoding = encoding or encoding_of(path)
    with open_bytes(path) as file:
        yield file if encoding == "utf-8" else io.BufferedReader(_AsUtf8(file, encoding))  # type: ignore[misc]
