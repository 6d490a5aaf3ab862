"""The normal form of a text, which determines duplicates and splits."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable


def normal_form(text: str) -> str:
    """Return the text with case, white space and compatibility characters normalised.

    Two texts with the same normal form are called variants of each other. Case and compatibility characters (full-width
    letters and punctuation, ligatures, composed accents) are removed by compatibility caseless matching, definition
    D146 of the Unicode Standard. Runs of white space become one space; white space at the ends is dropped.
    """
    if text.isascii():  # the same result as below, but much faster
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFD", text).casefold()
    folded = unicodedata.normalize("NFKD", folded).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def variant_key(text: str) -> bytes:
    """Return 16 bytes that are equal for variants of one text. Raises UnicodeEncodeError for an unpaired surrogate."""
    return hashlib.blake2b(normal_form(text).encode(), digest_size=16).digest()


def variant_rank(text: str) -> bytes:
    """Return 16 bytes that order the variants of a text: the one with the smallest rank represents them all.

    The rank is a hash of the unchanged text, independent of the hash that decides the split. So the choice depends
    neither on the reading order nor on the split. Raises UnicodeEncodeError for an unpaired surrogate.
    """
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def representatives(texts: Iterable[str]) -> dict[str, str]:
    """Return {text: the variant among `texts` with the smallest rank}. Holds all texts in memory."""
    keys = {text: variant_key(text) for text in texts}
    smallest: dict[bytes, str] = {}
    for text in sorted(keys, key=variant_rank, reverse=True):
        smallest[keys[text]] = text
    return {text: smallest[key] for text, key in keys.items()}
