"""Pieces of a vocabulary made readable: byte-level BPE writes bytes as stand-in letters (a space is Ġ)."""

from __future__ import annotations

from functools import cache

VISIBLE = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍"}


@cache
def byte_of() -> dict[str, int]:
    """The byte each stand-in letter stands for: printable bytes are themselves, the rest follow from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(rest)}


def readable(tokens: list[str], byte_level: bool) -> list[str]:
    """Each token as a reader should see it, its white space visible; part of a character is shown as its bytes.

    A list in which any token holds a letter that stands for no byte (a real space, say) has been decoded already.
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
