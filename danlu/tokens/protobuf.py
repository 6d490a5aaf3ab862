"""The wire format of protocol buffers, as much as a sentencepiece file needs: no library for two kinds of message."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where the next thing begins). IndexError when the data ends first."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of each field in order: an integer, or the bytes of a text, a message or a fixed width."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = read_varint(data, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = read_varint(data, at)
        elif kind in (EIGHT, FOUR):
            size = 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"a field of wire type {kind}")
        yield key >> 3, data[at : at + size]
        at += size


def number(message: int | bytes, field: int, default: int) -> int:
    """The last integer of that field number; a field that is absent has its default."""
    found = default
    for each, value in read_message(message) if isinstance(message, bytes) else ():
        if each == field and isinstance(value, int):
            found = value
    return found
