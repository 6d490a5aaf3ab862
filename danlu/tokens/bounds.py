"""Which tokens begin a word or a sentence: one byte of flags a token, beside the ids of a shard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from danlu.text.sentences import sentence_starts
from danlu.text.words import word_starts

FLAGS: Mapping[str, int] = {"word": 1, "sentence": 2}
"""Bit of each kind."""

SPACE_BEFORE = 4
"""Bit of the end token of a document whose text ends in white space, which is then in its last sentence."""

LIBRARIES: Mapping[str, str] = {"word": "rjieba", "sentence": "sentencex"}
"""What finds them, where it is installed: with another version there may be others."""

FINDERS: Mapping[str, Callable[[str], np.ndarray]] = {"word": word_starts, "sentence": sentence_starts}


def flags(text: str, starts: np.ndarray, kinds: Iterable[str]) -> np.ndarray:
    """[n] uint8 for n tokens that begin at characters `starts` [n] of `text`: a token is in the word (the sentence) in
    which its first character stands that is no white space, and the first token of each has its bit."""
    found = np.zeros(len(starts), np.uint8)
    written = np.array([match.start() for match in re.finditer(r"\S", text)] + [len(text)])
    begins = written[np.searchsorted(written, starts)]  # " The" begins a sentence, though the space ends the last one
    for kind in kinds:
        if len(starts):
            places = written[np.searchsorted(written, FINDERS[kind](text))]
            number = np.searchsorted(places, begins, "right")
            first = np.diff(number, prepend=-1) != 0
            found |= np.where(first, FLAGS[kind], 0).astype(np.uint8)
    return found


def framed(inside: np.ndarray, text: str, kinds: Iterable[str]) -> np.ndarray:
    """With the beginning and end tokens of the document `text`, which are words and sentences of their own."""
    alone = sum(FLAGS[kind] for kind in kinds)
    last = alone | (SPACE_BEFORE if text[-1:].isspace() else 0)
    return np.concatenate([[alone], inside, [last]]).astype(np.uint8)


def numbered(found: np.ndarray, kind: str) -> np.ndarray:
    """[n] int64: which word (or sentence) of a piece each token is in, counted from 0."""
    first = (found & FLAGS[kind]) > 0
    return np.cumsum(first) - first[:1].sum()
