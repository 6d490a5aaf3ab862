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


def readable_tokens(tokens: list[str], byte_level: bool) -> list[str]:
    """Return tokens in readable form, with visible white space and bytes for incomplete characters.

    Tokens with a character that represents no byte, such as a space, are already decoded.
    """
    table = byte_of()
    encoded = byte_level and all(letter in table for token in tokens for letter in token)
    return [show_white_space(decode(token) if encoded else token) for token in tokens]


def decode(token: str) -> str:
    data = bytes(byte_of()[letter] for letter in token)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"⟨{byte:02X}⟩" for byte in data)


def show_white_space(token: str) -> str:
    return "".join(VISIBLE.get(letter, letter) for letter in token)
