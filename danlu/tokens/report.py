"""How well a tokenizer does on some texts, in all and by script."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from danlu.text.scripts import OTHER, RARE, script_of
from danlu.tokens.byte_tokens import BYTES, is_whole
from danlu.tokens.tokenizer import TextTokenizer

DIGITS, PUNCTUATION, SPACE = "digits", "punctuation", "space"
PLAIN = (DIGITS, PUNCTUATION, SPACE)
"""What is counted by itself and is no script."""

SHOWN = 10
"""Tokens listed as the longest and the most frequent ones."""


@lru_cache(maxsize=1 << 17)
def sign_of(character: str) -> str:
    """ "Latin", "Han", ...; "digits", "punctuation" (symbols too), "space", or "other"."""
    if script := script_of(character):
        return script
    if character.isspace():
        return SPACE
    kind = unicodedata.category(character)[0]
    return {"N": DIGITS, "P": PUNCTUATION, "S": PUNCTUATION, "Z": SPACE}.get(kind, OTHER)


def sign_of_token(text: str) -> str:
    """That of the first character that is no white space: a space belongs to the word behind it."""
    stripped = text.lstrip()
    return sign_of(stripped[0]) if stripped else SPACE


class Count:
    """Tokens, characters and UTF-8 bytes."""

    def __init__(self, tokens: int = 0, characters: int = 0, bytes: int = 0):
        self.tokens, self.characters, self.bytes = tokens, characters, bytes

    def add(self, tokens: int, text: str) -> None:
        self.tokens += tokens
        self.characters += len(text)
        self.bytes += len(text.encode())

    def __add__(self, other: Count) -> Count:
        return Count(self.tokens + other.tokens, self.characters + other.characters, self.bytes + other.bytes)

    def facts(self) -> dict[str, Any]:
        return {
            "tokens": self.tokens,
            "characters": self.characters,
            "bytes": self.bytes,
            "bytes_per_token": self.bytes / self.tokens if self.tokens else None,
            "characters_per_token": self.characters / self.tokens if self.tokens else None,
        }


def parts(text: str, starts: np.ndarray) -> Iterable[tuple[int, str]]:
    """(tokens, characters) one after another, which together are the text: the characters from where a token begins
    to where the next one does. Tokens that begin at one character, the bytes of it, are counted together."""
    if not len(starts):
        return
    first, several = np.unique(starts, return_counts=True)
    bounds = [0, *first[1:].tolist(), len(text)]  # what the tokenizer drops in front belongs to the first token
    for k, n in enumerate(several.tolist()):
        yield n, text[bounds[k] : bounds[k + 1]]


def by_script(counts: dict[str, Count]) -> dict[str, Any]:
    """Facts of each, most bytes first; scripts of less than RARE of all bytes are counted as other."""
    total = sum(count.bytes for count in counts.values())
    merged: dict[str, Count] = {}
    for name, count in counts.items():
        kept = name if name in PLAIN or count.bytes >= RARE * total else OTHER
        merged[kept] = merged.get(kept, Count()) + count
    ordered = sorted(merged.items(), key=lambda item: (-item[1].bytes, item[0]))
    return {name: count.facts() for name, count in ordered}


def is_byte(tokenizer: TextTokenizer, id: int) -> bool:
    """Whether a token is a part of a character, or a byte in place of a character that has no entry."""
    piece = tokenizer.inner.id_to_token(id) or ""
    return not is_whole(piece) if tokenizer.byte_level else piece in BYTES


def examples(tokenizer: TextTokenizer, texts: Sequence[str], characters: int = 60) -> list[dict[str, Any]]:
    shown = [" ".join(text.split())[:characters] for text in texts]
    return [{"text": t, "tokens": [tokenizer.token(int(i)) for i in tokenizer.encode(t)]} for t in shown if t]


def report(tokenizer: TextTokenizer, texts: Iterable[str]) -> dict[str, Any]:
    """bytes and characters a token, in all and `by_script` (a token is of the script of its first character);
    round_trip: whether every text comes back, and the share that does; the shares of tokens that are unknown and that
    are single bytes (coverage); the share of the vocabulary that occurs; the longest and most frequent tokens and three
    short examples. One text at a time is held."""
    counts: dict[str, Count] = {}
    whole, seen, first = Count(), Counter[int](), []
    number = back = 0
    for text in texts:
        ((ids, starts),) = tokenizer.encode_starts_batch([text])
        number += 1
        back += tokenizer.decode(ids) == text
        seen.update(ids.tolist())
        whole.add(len(ids), text)
        for n, part in parts(text, starts):
            counts.setdefault(sign_of_token(part), Count()).add(n, part)
        if len(first) < 3 and text.strip():
            first.append(text)
    return {
        **tokenizer.facts,
        "size": tokenizer.vocabulary.size,
        "texts": number,
        **whole.facts(),
        "round_trip": back == number,
        "round_trip_share": back / number if number else None,
        **vocabulary_facts(tokenizer, seen),
        "by_script": by_script(counts),
        "examples": examples(tokenizer, first),
    }


def vocabulary_facts(tokenizer: TextTokenizer, seen: Counter[int]) -> dict[str, Any]:
    """Of {id: times}: what is covered, what of the vocabulary is used, and by which tokens."""
    vocabulary, total = tokenizer.vocabulary, seen.total()
    outside = vocabulary.special | {tokenizer.inner.token_to_id(tokenizer.roles.get("unk", ""))}
    ordinary = [i for i in seen if i not in outside]
    unknown = total - sum(seen[i] for i in ordinary)
    as_bytes = sum(seen[i] for i in ordinary if is_byte(tokenizer, i))
    shown = {i: tokenizer.token(i) for i in ordinary}
    longest = sorted(ordinary, key=lambda i: (-len(shown[i]), i))[:SHOWN]
    frequent = sorted(ordinary, key=lambda i: (-seen[i], i))[:SHOWN]
    return {
        "unknown_share": unknown / total if total else None,
        "byte_share": as_bytes / total if total else None,
        "vocabulary_used": len(ordinary) / (vocabulary.size - len(vocabulary.special)),
        "longest": [{"token": shown[i], "times": seen[i]} for i in longest],
        "frequent": [{"token": shown[i], "times": seen[i]} for i in frequent],
    }
