"""Texts of a unit without special tokens, and their sentences, from the boundary flags stored with the tokens.

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
    ends_sentence: bool  # whether a sentence ends at the end of the text
    starts_document: bool = False  # whether the text starts at the start of its document
    end_flags: int = 0  # flags of the token after the text

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, start: int, stop: int) -> Text:
        """Return the text of tokens `start` to `stop` - 1."""
        stop = min(stop, len(self))
        same_end = stop == len(self)
        return Text(
            self.ids[start:stop],
            self.flags[start:stop],
            self.ends_sentence if same_end else bool(self.flags[stop] & FLAGS["sentence"]),
            self.starts_document and start == 0,
            self.flags_at(stop),
        )

    def flags_at(self, place: int) -> int:
        """Return the flags of the token at `place`, or of the token after the text if `place` is its length."""
        return self.end_flags if place == len(self) else int(self.flags[place])

    @property
    def sentence_starts(self) -> np.ndarray:
        """Indices where sentences start, [k]; the first may be above 0, since a window may start in a sentence."""
        return np.flatnonzero(self.flags & FLAGS["sentence"])

    @property
    def whole_sentences(self) -> list[tuple[int, int]]:
        """(start, stop) of each sentence that is completely in the text."""
        starts = self.sentence_starts.tolist()
        return list(pairwise([*starts, *([len(self)] if self.ends_sentence else [])]))

    @property
    def later_sentences(self) -> list[tuple[int, int]]:
        """The complete sentences except the first one of the document.

        Only the first sentence of a document has no white space before it, which would reveal its position.
        """
        return [(start, stop) for start, stop in self.whole_sentences if start > 0 or not self.starts_document]

    # White space between two sentences can be in the token after the boundary (" The"), in a separate token, or in the
    # token before the boundary (".\n"). The tokens at the ends of a span must not show which, since the span on the
    # other side of the boundary shows it too, so that a model could match the two.

    def start_kind(self, start: int) -> int:
        """Return the kind of a span's first token; spans whose first tokens have equal kinds are indistinguishable."""
        return self.flags_at(start) & (NO_SPACE | CUT)

    def stop_kind(self, stop: int) -> int:
        """Return the kind of the boundary after a span; spans with equal kinds have indistinguishable ends."""
        return self.flags_at(stop) & (UNPUNCTUATED | OVERHANG)

    def after_blanks(self, start: int) -> int:
        """Return the index of the first token, from `start`, that is not only white space."""
        while start < len(self) and self.flags[start] & BLANK:
            start += 1
        return start

    def before_overhang(self, stop: int) -> int:
        """Return `stop`, or an earlier index if the last token of the sentence also contains part of the next one."""
        while stop and self.flags_at(stop) & OVERHANG:
            stop -= 1
            while stop and self.flags[stop - 1] & BLANK:
                stop -= 1
        return stop

    def sentence_span(self, start: int, stop: int) -> Text:
        """Return the sentences from `start` to `stop` without tokens that contain white space or text around them."""
        first = self.after_blanks(start)
        return self.cut(first, max(first, self.before_overhang(stop)))


def texts_of(sample: Sample, bounds: bool = True) -> list[Text]:
    """Return the non-empty texts of a unit, one for each document in it.

    Args:
        sample: the unit.
        bounds: whether the objective requested boundaries; otherwise all flags are 0.
    """
    vocabulary, texts = sample.vocabulary, []
    pieces = sample.pieces()
    flags = sample.boundaries() if bounds else [np.zeros(len(piece), np.uint8) for piece in pieces]
    for piece, piece_flags in zip(pieces, flags, strict=True):
        inside = (piece != vocabulary.bos) & (piece != vocabulary.eos)
        if inside.any():
            # white space at the end of a document would reveal its last sentence
            ends = bool(piece[-1] == vocabulary.eos and not piece_flags[-1] & SPACE_BEFORE)
            starts = bool(piece[0] == vocabulary.bos)
            end_flags = int(piece_flags[-1]) if ends else 0
            texts.append(Text(piece[inside], piece_flags[inside], ends, starts, end_flags))
    return texts


def unit_size(sample: Sample) -> int:
    """Return the number of tokens of a unit, which is the maximum length of a sequence built from it."""
    return sum(len(piece) for piece in sample.pieces())


def cut_at_sentence(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Cut a text at a random start of a sentence; None if no sentence starts inside."""
    places = text.sentence_starts[text.sentence_starts > 0]
    if not len(places):
        return None
    place = int(places[rng.integers(len(places))])
    return text.cut(0, place), text.cut(place, len(text))


def cut_in_the_middle(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Cut a text at a random token so that each part has at least a quarter of it; None for a single token."""
    if len(text) < 2:
        return None
    low, high = max(1, len(text) // 4), max(1, len(text) - len(text) // 4 - 1)
    place = int(rng.integers(low, max(low, high) + 1))
    return text.cut(0, place), text.cut(place, len(text))
