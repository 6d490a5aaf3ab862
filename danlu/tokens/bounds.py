"""Word and sentence boundaries of tokens: one byte of flags per token, stored next to the ids of a shard.

Shapes: n tokens of one document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from danlu.text.sentences import sentence_starts
from danlu.text.words import word_starts

FLAGS: Mapping[str, int] = {"word": 1, "sentence": 2}
"""The bit that marks the first token of a word or sentence."""

SPACE_BEFORE = 4
"""Bit of the end token of a document whose text ends in white space, which then belongs to its last sentence."""

# How a tokenizer writes the boundary before the first token of a sentence, or before the end token of a document.
# These bits reveal on which side of a boundary a sentence was, so objectives compare only boundaries with equal bits
# (danlu.objectives.sentences.sentence_spans).
UNPUNCTUATED = 8
"""The previous sentence ends in a letter or digit."""

OVERHANG = 16
"""The last token of the previous sentence also contains white space or text after that sentence, such as `.\\n`."""

NO_SPACE = 32
"""The first token of the sentence that is not blank does not start with white space."""

CUT = 64
"""The sentence starts inside the previous token, which belongs to another sentence."""

BLANK = 128
"""Bit of every token that is only white space."""

VERSION = 2
"""Part of the cache key of stored flags; raise it when the same text gets other flags."""

LIBRARIES: Mapping[str, str] = {"word": "rjieba", "sentence": "sentencex"}
"""The optional libraries that find the boundaries; another version may find other boundaries."""

FINDERS: Mapping[str, Callable[[str], np.ndarray]] = {"word": word_starts, "sentence": sentence_starts}


def flags(text: str, starts: np.ndarray, stops: np.ndarray, kinds: Iterable[str]) -> np.ndarray:
    """Return the flags [n] uint8 of n tokens that cover the characters `starts` to `stops` - 1 [n] of `text`.

    A token belongs to the word (or sentence) of its first character that is not white space. The first token of a word
    or sentence has the bit of that kind.
    """
    found = np.zeros(len(starts), np.uint8)
    if not len(starts):
        return found
    visible = np.array([match.start() for match in re.finditer(r"\S", text)] + [len(text)])
    first_visible = visible[np.searchsorted(visible, starts)]  # " The" starts a sentence: its space does not count
    for kind in kinds:
        places = visible[np.searchsorted(visible, FINDERS[kind](text))]
        number = np.searchsorted(places, first_visible, "right")
        first = np.diff(number, prepend=-1) != 0
        found |= np.where(first, FLAGS[kind], 0).astype(np.uint8)
        if kind == "sentence" and len(visible) > 1:
            found |= boundary_flags(text, starts, stops, places, number - 1, visible[:-1])
    return found


def boundary_flags(
    text: str, starts: np.ndarray, stops: np.ndarray, places: np.ndarray, sentence: np.ndarray, visible: np.ndarray
) -> np.ndarray:
    """Return the bits [n] that describe how sentence boundaries are written.

    Args:
        places: where each sentence starts in the text, [sentences].
        sentence: the index of the sentence that each token belongs to, [n].
        visible: the offsets of the characters that are not white space.
    """
    blank = np.append(visible, len(text))[np.searchsorted(visible, starts)] >= stops
    found = np.where(blank, BLANK, 0)
    ends = visible[np.searchsorted(visible, np.append(places[1:], len(text))) - 1] + 1  # of each sentence
    filled = np.flatnonzero(~blank)
    for i in np.flatnonzero(np.diff(sentence, prepend=-1)).tolist():
        with_text = filled[min(np.searchsorted(filled, i), len(filled) - 1)]
        found[i] |= NO_SPACE * (not text[starts[with_text]].isspace())
        if i:
            found[i] |= UNPUNCTUATED * text[ends[sentence[i] - 1] - 1].isalnum()
            found[i] |= OVERHANG * bool(stops[i - 1] > ends[sentence[i - 1]])
            found[i] |= CUT * bool(stops[i - 1] > places[sentence[i]])
    return found.astype(np.uint8)


def with_end_tokens(inside: np.ndarray, text: str, kinds: Iterable[str]) -> np.ndarray:
    """Add the flags of the bos and eos tokens of the document; each is a word and a sentence by itself."""
    kinds = list(kinds)
    alone = sum(FLAGS[kind] for kind in kinds)
    last = alone | (SPACE_BEFORE if text[-1:].isspace() else 0)
    if "sentence" in kinds:
        last |= UNPUNCTUATED * text.rstrip()[-1:].isalnum()
    return np.concatenate([[alone], inside, [last]]).astype(np.uint8)


def segment_numbers(found: np.ndarray, kind: str) -> np.ndarray:
    """Return the index of the word or sentence of each token of a piece, counted from 0, [n] int64."""
    first = (found & FLAGS[kind]) > 0
    return np.cumsum(first) - first[:1].sum()
