"""Word segmentation at spaces and punctuation; of Chinese text with rjieba (extra `zh`).

The words of a text are a partition of it: white space belongs to the word after it, and every punctuation mark is a
word. The text is not changed, so words are character ranges that apply to any tokenizer.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from danlu.extras import import_optional

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
RUN = re.compile(rf"\s*(?:(?P<han>[{HAN}]+)|(?:(?![{HAN}])\w)+(?:['’](?:(?![{HAN}])\w)+)*|\S)|\s+$")
"""White space followed by Han characters, by letters and digits with inner apostrophes, or by one other character."""


def word_starts(text: str) -> np.ndarray:
    """Return the character offsets at which words start, [words] int64, the first of them 0.

    Raises WrongInput if the text has Chinese words and rjieba is not installed.
    """
    starts: list[int] = []
    for run in RUN.finditer(text):
        starts.append(run.start())
        if run["han"] and len(run["han"]) > 1:
            cut = import_optional("rjieba", "zh", "Chinese word segmentation").cut
            at = run.start("han")
            for word in cut(run["han"])[:-1]:
                at += len(word)
                starts.append(at)
    return np.array(starts, np.int64)


def words(text: str) -> list[str]:
    """Return the words of a text in order, without white space."""
    starts = [*word_starts(text).tolist(), len(text)]
    found = (text[begin:end].strip() for begin, end in pairwise(starts))
    return [word for word in found if word]
