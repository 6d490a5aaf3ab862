"""Bytes as entries of a vocabulary: in byte-level BPE each has a printable character (GPT-2's table, Radford et al.
2019), kinds with byte fallback write `<0xE4>`."""

from __future__ import annotations

from functools import cache

PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1))
"""Bytes that stand for themselves as Latin-1 characters; the others are numbered from U+0100 in order."""

BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The entries into which kinds with byte fallback take a character apart that they have not got."""


@cache
def byte_of() -> dict[str, int]:
    """{character: byte}, 256 entries."""
    others = (byte for byte in range(256) if byte not in PRINTABLE)
    return {chr(byte): byte for byte in PRINTABLE} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def readable(piece: str) -> str:
    """The text of one vocabulary entry; bytes that are no whole character show as `\\xe4`."""
    table = byte_of()
    return bytes(table[c] for c in piece).decode("utf-8", "backslashreplace")


def is_whole(piece: str) -> bool:
    """Whether the bytes of an entry are whole characters."""
    table = byte_of()
    try:
        bytes(table[c] for c in piece).decode()
    except UnicodeDecodeError:
        return False
    return True
