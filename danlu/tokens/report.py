"""Statistics of a tokenizer on some texts, overall and by script."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from danlu.text.scripts import OTHER, RARE, script_of
from danlu.tokens.byte_tokens import BYTE_TOKENS, is_valid_utf8
from danlu.tokens.tokenizer import TextTokenizer

DIGITS, PUNCTUATION, SPACE = "digits", "punctuation", "space"
PLAIN = (DIGITS, PUNCTUATION, SPACE)
"""Classes of characters that are not scripts."""

SHOWN = 10
"""Number of longest and of most frequent tokens to list."""


@lru_cache(maxsize=1 << 17)
def character_class(character: str) -> str:
    """Return the script, such as "Latin", or "digits", "punctuation" (symbols as well), "space" or "other"."""
    if script := script_of(character):
        return script
    if character.isspace():
        return SPACE
    kind = unicodedata.category(character)[0]
    return {"N": DIGITS, "P": PUNCTUATION, "S": PUNCTUATION, "Z": SPACE}.get(kind, OTHER)


def token_class(text: str) -> str:
    """Return the class of the first character that is not white space: a space belongs to the word after it."""
    stripped = text.lstrip()
    return character_class(stripped[0]) if stripped else SPACE


class Count:
    """Counts of tokens, characters and UTF-8 bytes."""

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


def token_texts(text: str, starts: np.ndarray) -> Iterable[tuple[int, str]]:
    """Yield (number of tokens, their text) in order; the texts together are the whole text.

    The text of a token extends to the start of the next one. Tokens that start at the same character, such as its
    bytes, are counted together.
    """
    if not len(starts):
        return
    first, counts = np.unique(starts, return_counts=True)
    # text that the tokenizer drops at the start is counted with the first token
    bounds = [0, *first[1:].tolist(), len(text)]
    for k, n in enumerate(counts.tolist()):
        yield n, text[bounds[k] : bounds[k + 1]]


def by_script(counts: dict[str, Count]) -> dict[str, Any]:
    """Return the facts of each script, the most bytes first; scripts with less than RARE of all bytes are "other"."""
    total = sum(count.bytes for count in counts.values())
    merged: dict[str, Count] = {}
    for name, count in counts.items():
        kept = name if name in PLAIN or count.bytes >= RARE * total else OTHER
        merged[kept] = merged.get(kept, Count()) + count
    ordered = sorted(merged.items(), key=lambda item: (-item[1].bytes, item[0]))
    return {name: count.facts() for name, count in ordered}


def is_byte_token(tokenizer: TextTokenizer, id: int) -> bool:
    """Return whether a token is part of a character."""
    piece = tokenizer.inner.id_to_token(id) or ""
    return not is_valid_utf8(piece) if tokenizer.byte_level else piece in BYTE_TOKENS


def examples(tokenizer: TextTokenizer, texts: Sequence[str], characters: int = 60) -> list[dict[str, Any]]:
    """Return the beginnings of texts with their tokens."""
    shown = [" ".join(text.split())[:characters] for text in texts]
    return [{"text": t, "tokens": [tokenizer.token(int(i)) for i in tokenizer.encode(t)]} for t in shown if t]


def report(tokenizer: TextTokenizer, texts: Iterable[str]) -> dict[str, Any]:
    """Return statistics of a tokenizer on some texts, for JSON. One text at a time is held in memory.

    The statistics are: bytes and characters per token, overall and `by_script` (the script of a token is that of its
    first character); `round_trip`, whether every text is decoded exactly, and the share that is; the shares of unknown
    tokens and of single bytes; the share of the vocabulary that occurs; the longest and the most frequent tokens; three
    short examples.
    """
    counts: dict[str, Count] = {}
    whole, seen, first = Count(), Counter[int](), []
    number = exact = 0
    for text in texts:
        ((ids, starts),) = tokenizer.encode_starts_batch([text])
        number += 1
        exact += tokenizer.decode(ids) == text
        seen.update(ids.tolist())
        whole.add(len(ids), text)
        for n, part in token_texts(text, starts):
            counts.setdefault(token_class(part), Count()).add(n, part)
        if len(first) < 3 and text.strip():
            first.append(text)
    return {
        **tokenizer.facts,
        "size": tokenizer.vocabulary.size,
        "texts": number,
        **whole.facts(),
        "round_trip": exact == number,
        "round_trip_share": exact / number if number else None,
        **vocabulary_facts(tokenizer, seen),
        "by_script": by_script(counts),
        "examples": examples(tokenizer, first),
    }


def vocabulary_facts(tokenizer: TextTokenizer, seen: Counter[int]) -> dict[str, Any]:
    """Return coverage and use of the vocabulary, and the longest and most frequent tokens, from {id: count}."""
    vocabulary, total = tokenizer.vocabulary, seen.total()
    outside = vocabulary.special | {tokenizer.inner.token_to_id(tokenizer.roles.get("unk", ""))}
    ordinary = [i for i in seen if i not in outside]
    unknown = total - sum(seen[i] for i in ordinary)
    as_bytes = sum(seen[i] for i in ordinary if is_byte_token(tokenizer, i))
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
