"""A minimal reader of the wire format of protocol buffers, for sentencepiece files."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, EIGHT_BYTES, LENGTH_PREFIXED, FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return (value, position after it). Raises IndexError if the data is truncated."""
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, start
        shift += 7


def read_message(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield (field number, value) of each field in order: an integer, or the bytes of any other type."""
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        wire_type = key & 7
        if wire_type == VARINT:
            value, position = read_varint(data, position)
            yield key >> 3, value
            continue
        if wire_type == LENGTH_PREFIXED:
            size, position = read_varint(data, position)
        elif wire_type in (EIGHT_BYTES, FOUR_BYTES):
            size = 8 if wire_type == EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of wire type {wire_type}")
        yield key >> 3, data[position : position + size]
        position += size


def integer_field(message: int | bytes, field: int, default: int) -> int:
    """Return the last integer with that field number, or the default if there is none."""
    found = default
    for number, value in read_message(message) if isinstance(message, bytes) else ():
        if number == field and isinstance(value, int):
            found = value
    return found
