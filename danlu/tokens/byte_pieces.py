"""The alphabet of byte-level BPE: each byte has a printable character (GPT-2's table, Radford et al. 2019)."""

from __future__ import annotations

from functools import cache

PRINTABLE = (*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1))
"""Bytes that stand for themselves as Latin-1 characters; the others are numbered from U+0100 in order."""


@cache
def byte_of() -> dict[str, int]:
    """{character: byte}, 256 entries."""
    others = (byte for byte in range(256) if byte not in PRINTABLE)
    return {chr(byte): byte for byte in PRINTABLE} | {chr(0x100 + i): byte for i, byte in enumerate(others)}


def readable(piece: str) -> str:
    """The text of one vocabulary entry; bytes that are no whole character show as `\\xe4`."""
    table = byte_of()
    return bytes(table[c] for c in piece).decode("utf-8", "backslashreplace")
