"""Readable tokens: byte-level BPE represents bytes by printable characters (a space is Ġ)."""

from __future__ import annotations

from functools import cache

VISIBLE = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}


@cache
def byte_of() -> dict[str, int]:
    """Return the byte of each character: printable bytes are themselves, the rest follow from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}


def readable(tokens: list[str], byte_level: bool) -> list[str]:
    """Make tokens readable, with visible white space and bytes for incomplete characters.

    A list with a character that represents no byte, such as a real space, is decoded already.
    """
    stands_for = byte_of()
    encoded = byte_level and all(letter in stands_for for token in tokens for letter in token)
    return [visible(decoded(token) if encoded else token) for token in tokens]


def decoded(token: str) -> str:
    data = bytes(byte_of()[letter] for letter in token)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"⟨{byte:02X}⟩" for byte in data)


def visible(token: str) -> str:
    return "".join(VISIBLE.get(letter, letter) for letter in token)
