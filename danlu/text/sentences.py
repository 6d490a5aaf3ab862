"""Where sentences begin, by sentencex (extra `clean`): English and Chinese, and at the ends of lines with nothing but
space between them."""

from __future__ import annotations

import numpy as np

from danlu.extras import need

CHINESE_SHARE = 0.1
"""Share of Han characters from which a text is cut by the rules of Chinese."""


def sentence_starts(text: str) -> np.ndarray:
    """[sentences] character offsets, the first of them 0; the sentences are a partition of the text, each with the
    white space before it."""
    if not text:
        return np.zeros(0, np.int64)
    segment = need("sentencex", "clean", "finding sentences").segment
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    found = list(segment("zh" if han >= CHINESE_SHARE * len(text) else "en", text))
    # it drops line ends at times, but nothing that is seen: sentences are found again by what is no white space
    seen = np.flatnonzero([not c.isspace() for c in text])
    sizes = [len("".join(sentence.split())) for sentence in found]
    if "".join("".join(found).split()) != "".join(text.split()):
        raise RuntimeError("sentencex changed the text it was given")
    ends = np.cumsum([size for size in sizes if size], dtype=np.int64)  # white space alone is no sentence
    # the space between two sentences is the second's, as the tokens of most tokenizers have it: ` The`
    return np.concatenate([[0], seen[ends[:-1] - 1] + 1])
