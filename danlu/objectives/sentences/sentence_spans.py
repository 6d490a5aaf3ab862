"""The text of a unit without the tokens at the ends of documents, and its sentences by the bounds stored beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from danlu.objective import Sample
from danlu.tokens.bounds import FLAGS, SPACE_BEFORE


@dataclass(frozen=True)
class Text:
    """n tokens of text of one document, none of them its beginning or end token.

    ids [n] int64; flags [n] uint8 (danlu.tokens.bounds); closes: whether a sentence ends where the text ends, with
    nothing behind it; opens: whether the document begins where the text begins.
    """

    ids: np.ndarray
    flags: np.ndarray
    closes: bool
    opens: bool = False

    def __len__(self) -> int:
        return len(self.ids)

    def cut(self, start: int, stop: int) -> Text:
        """The tokens start .. stop - 1."""
        stop = min(stop, len(self))
        closes = self.closes if stop == len(self) else bool(self.flags[stop] & FLAGS["sentence"])
        return Text(self.ids[start:stop], self.flags[start:stop], closes, self.opens and start == 0)

    @property
    def sentence_starts(self) -> np.ndarray:
        """[k]: where sentences begin; the first need not be 0, since a window may begin inside a sentence."""
        return np.flatnonzero(self.flags & FLAGS["sentence"])

    @property
    def whole_sentences(self) -> list[tuple[int, int]]:
        """(start, stop) of each sentence that is there from its first to its last token."""
        starts = self.sentence_starts.tolist()
        return list(pairwise([*starts, *([len(self)] if self.closes else [])]))

    @property
    def later_sentences(self) -> list[tuple[int, int]]:
        """The whole sentences but the one that begins the document: it alone has no white space before it, which would
        say where it stood."""
        return [(start, stop) for start, stop in self.whole_sentences if start > 0 or not self.opens]


def texts(sample: Sample, bounds: bool = True) -> list[Text]:
    """One for each document the unit touches, those without a token of text left out. bounds: with the flags that the
    objective asked for (else they are all 0)."""
    vocabulary, found = sample.vocabulary, []
    pieces = sample.pieces()
    flags = sample.boundaries() if bounds else [np.zeros(len(piece), np.uint8) for piece in pieces]
    for piece, marks in zip(pieces, flags, strict=True):
        inside = (piece != vocabulary.bos) & (piece != vocabulary.eos)
        if inside.any():
            # white space at the end of a document would say which of its sentences is the last
            closes = piece[-1] == vocabulary.eos and not marks[-1] & SPACE_BEFORE
            opens = bool(piece[0] == vocabulary.bos)
            found.append(Text(piece[inside], marks[inside], bool(closes), opens))
    return found


def window(sample: Sample) -> int:
    """How many tokens the unit has: what any sequence made of it may have at most, whatever tokens are put around."""
    return sum(len(piece) for piece in sample.pieces())


def cut_at_sentence(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Two neighbouring spans that meet where a sentence begins, each such place as likely; None without one."""
    places = text.sentence_starts[text.sentence_starts > 0]
    if not len(places):
        return None
    place = int(places[rng.integers(len(places))])
    return text.cut(0, place), text.cut(place, len(text))


def cut_in_the_middle(text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Two neighbouring spans of at least a quarter each that meet at any token; None for a single token."""
    if len(text) < 2:
        return None
    low, high = max(1, len(text) // 4), max(1, len(text) - len(text) // 4 - 1)
    place = int(rng.integers(low, max(low, high) + 1))
    return text.cut(0, place), text.cut(place, len(text))
