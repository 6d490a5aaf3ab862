"""Byte tokens: bytes as entries of a vocabulary.

Byte-level BPE writes each byte as a printable character (the table of GPT-2, Radford et al. 2019); kinds with byte
fallback write `<0xE4>`.
"""

from __future__ import annotations

from functools import cache

PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1))
"""Bytes that are written as their Latin-1 character; the others are numbered from U+0100 in order."""

BYTE_TOKENS = tuple(f"<0x{byte:02X}>" for byte in range(256))
"""The entries that spell characters missing from the vocabulary, in kinds with byte fallback."""


@cache
def byte_of_character() -> dict[str, int]:
    """Return {character: byte}, 256 entries."""
    others = (byte for byte in range(256) if byte not in PRINTABLE)
    return {chr(byte): byte for byte in PRINTABLE} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def piece_text(piece: str) -> str:
    """Return the text of a byte-level entry; incomplete characters are shown as `\\xe4`."""
    table = byte_of_character()
    return bytes(table[c] for c in piece).decode("utf-8", "backslashreplace")


def is_valid_utf8(piece: str) -> bool:
    """Return whether the bytes of a byte-level entry are whole characters."""
    table = byte_of_character()
    try:
        bytes(table[c] for c in piece).decode()
    except UnicodeDecodeError:
        return False
    return True
