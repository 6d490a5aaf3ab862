"""Where words begin: English and other spaced scripts by their letters, Chinese by rjieba (extra `zh`).

The words of a text are a partition of it: white space belongs to the word behind it, every sign is a word of its own.
Nothing is rewritten, so a word is known by its place alone, whatever cuts the text into tokens.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from danlu.extras import need

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"\s*(?:(?P<han>[{HAN}]+)|(?:(?![{HAN}])\w)+(?:['’](?:(?![{HAN}])\w)+)*|\S)|\s+$")
"""White space and what follows it: Han characters, letters and digits with apostrophes inside, or one sign."""


def word_starts(text: str) -> np.ndarray:
    """[words] character offsets, the first of them 0; WrongInput when Chinese is met and rjieba is not installed."""
    starts: list[int] = []
    for run in RUN.finditer(text):
        starts.append(run.start())
        if run["han"] and len(run["han"]) > 1:
            cut = need("rjieba", "zh", "finding the words of Chinese text").cut
            at = run.start("han")
            for word in cut(run["han"])[:-1]:
                at += len(word)
                starts.append(at)
    return np.array(starts, np.int64)


def words(text: str) -> list[str]:
    """The words of a text in their order, without white space."""
    starts = [*word_starts(text).tolist(), len(text)]
    found = (text[begin:end].strip() for begin, end in pairwise(starts))
    return [word for word in found if word]
