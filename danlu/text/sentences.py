"""Where sentences begin, by sentencex (extra `clean`): English and Chinese, and at the ends of lines with nothing but
space between them."""

from __future__ import annotations

import numpy as np

from danlu.extras import need

CHINESE_SHARE = 0.1
"""Share of Han characters from which a text is cut by the rules of Chinese."""


def sentence_starts(text: str) -> np.ndarray:
    """[sentences] character offsets, the first of them 0; the sentences are a partition of the text."""
    if not text:
        return np.zeros(0, np.int64)
    segment = need("sentencex", "clean", "finding sentences").segment
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    starts, at = [], 0
    for sentence in segment("zh" if han >= CHINESE_SHARE * len(text) else "en", text):
        begin = text.find(sentence, at)
        # of a long text sentencex leaves out blank lines, once in about ten thousand characters
        if begin < 0 or text[at:begin].strip():
            raise RuntimeError("sentencex changed the text it was given")
        if not starts or text[starts[-1] : begin].strip():  # white space alone is no sentence
            starts.append(begin if starts else 0)
        at = begin + len(sentence)
    return np.array(starts, np.int64)
