"""The text of a unit without special tokens, and its sentences by the boundaries stored next to the tokens.

Shapes: n tokens of a text, k sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from danlu.objective import Sample
from danlu.tokens.bounds import BLANK, CUT, FLAGS, NO_SPACE, OVERHANG, SPACE_BEFORE, UNPUNCTUATED

Sentence = tuple[int, int]
"""Start and stop of a sentence in its text."""


@dataclass(frozen=True)
class Text:
    """n consecutive tokens of one document, without its beginning and end tokens."""

    ids: np.ndarray  # [n] int64
    flags: np.ndarray  # [n] uint8, see danlu.tokens.bounds
    ends_sentence: bool  # whether a sentence ends exactly where the text ends
    starts_document: bool = False
    end_flags: int = 0  # flags of the token behind the text

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, start: int, stop: int) -> Text:
        """Return the tokens `start` to `stop` - 1."""
        stop = min(stop, len(self))
        whole = stop == len(self)
        return Text(
            self.ids[start:stop],
            self.flags[start:stop],
            self.ends_sentence if whole else bool(self.flags[stop] & FLAGS["sentence"]),
            self.starts_document and start == 0,
            self.flags_at(stop),
        )

    def flags_at(self, place: int) -> int:
        """Return the flags of one token, or of the token behind the text."""
        return self.end_flags if place == len(self) else int(self.flags[place])

    @property
    def sentence_starts(self) -> np.ndarray:
        """Where sentences start, [k]; the first need not be 0, since a window may start inside a sentence."""
        return np.flatnonzero(self.flags & FLAGS["sentence"])

    @property
    def whole_sentences(self) -> list[tuple[int, int]]:
        """(start, stop) of each sentence of which all tokens are in the text."""
        starts = self.sentence_starts.tolist()
        return list(pairwise([*starts, *([len(self)] if self.ends_sentence else [])]))

    @property
    def later_sentences(self) -> list[tuple[int, int]]:
        """The whole sentences without the one that starts the document.

        That one alone has no white space before it, which would reveal its place.
        """
        return [(start, stop) for start, stop in self.whole_sentences if start > 0 or not self.starts_document]

    # The tokenizer writes boundaries between sentences in several ways: with the white space in the token behind it
    # (" The"), in a token alone, or in the token before it (".\n"). A span of sentences must not show how the boundary
    # at its ends is written, since its neighbour shows the same boundary from the other side.

    def start_kind(self, start: int) -> int:
        """Return a code for how a span that starts here looks at its start; spans of equal codes look alike."""
        return self.flags_at(start) & (NO_SPACE | CUT)

    def stop_kind(self, stop: int) -> int:
        """Return a code for how a span that stops here looks at its end; spans of equal codes look alike."""
        return self.flags_at(stop) & (UNPUNCTUATED | OVERHANG)

    def after_blanks(self, start: int) -> int:
        """Return the first position from `start` on whose token is not only white space."""
        while start < len(self) and self.flags[start] & BLANK:
            start += 1
        return start

    def before_overhang(self, stop: int) -> int:
        """Return `stop`, or an earlier position if the last token of the sentence also holds part of what follows."""
        while stop and self.flags_at(stop) & OVERHANG:
            stop -= 1
            while stop and self.flags[stop - 1] & BLANK:
                stop -= 1
        return stop

    def sentence_span(self, start: int, stop: int) -> Text:
        """Return the sentences from `start` to `stop` without the tokens that hold white space or text behind them."""
        first = self.after_blanks(start)
        return self.cut(first, max(first, self.before_overhang(stop)))


def texts_of(sample: Sample, bounds: bool = True) -> list[Text]:
    """Return one text for each document that the unit touches, without documents that have no token of text.

    Args:
        bounds: whether the objective requested boundaries; otherwise all flags are 0.
    """
    vocabulary, found = sample.vocabulary, []
    pieces = sample.pieces()
    flags = sample.boundaries() if bounds else [np.zeros(len(piece), np.uint8) for piece in pieces]
    for piece, own in zip(pieces, flags, strict=True):
        inside = (piece != vocabulary.bos) & (piece != vocabulary.eos)
        if inside.any():
            # white space at the end of a document would reveal which of its sentences is the last
            ends = bool(piece[-1] == vocabulary.eos and not own[-1] & SPACE_BEFORE)
            starts = bool(piece[0] == vocabulary.bos)
            found.append(Text(piece[inside], own[inside], ends, starts, int(own[-1]) if ends else 0))
    return found


def unit_size(sample: Sample) -> int:
    """Return how many tokens the unit has: the maximum length of a sequence built from it, special tokens included."""
    return sum(len(piece) for piece in sample.pieces())


def cut_at_sentence(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Cut a text where a sentence starts, at a uniformly drawn place; None if there is none."""
    places = text.sentence_starts[text.sentence_starts > 0]
    if not len(places):
        return None
    place = int(places[rng.integers(len(places))])
    return text.cut(0, place), text.cut(place, len(text))


def cut_in_the_middle(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Cut a text at a random token so that both parts have at least a quarter of it; None for a single token."""
    if len(text) < 2:
        return None
    low, high = max(1, len(text) // 4), max(1, len(text) - len(text) // 4 - 1)
    place = int(rng.integers(low, max(low, high) + 1))
    return text.cut(0, place), text.cut(place, len(text))
