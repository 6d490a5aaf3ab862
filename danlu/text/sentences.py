"""Sentence segmentation of English and Chinese text with sentencex (extra `clean`)."""

from __future__ import annotations

import numpy as np

from danlu.extras import import_optional

CHINESE_SHARE = 0.1
"""Minimum share of Han characters for a text to be segmented as Chinese."""


def sentence_starts(text: str) -> np.ndarray:
    """Return the character offsets at which sentences start, [sentences] int64, the first of them 0.

    The sentences are a partition of the text; white space between two sentences belongs to the second.
    """
    if not text:
        return np.zeros(0, np.int64)
    segment = import_optional("sentencex", "clean", "sentence segmentation").segment
    han = sum("\u4e00" <= c <= "\u9fff" for c in text)
    found = list(segment("zh" if han >= CHINESE_SHARE * len(text) else "en", text))
    # sentencex may drop white space, but nothing else: sentences are located by their other characters
    seen = np.flatnonzero([not c.isspace() for c in text])
    sizes = [len("".join(sentence.split())) for sentence in found]
    if "".join("".join(found).split()) != "".join(text.split()):
        raise RuntimeError("sentencex changed the text")
    ends = np.cumsum([size for size in sizes if size], dtype=np.int64)  # white space alone is not a sentence
    # a sentence starts with the white space before its first word, as tokens of most tokenizers do: ` The`
    return np.concatenate([[0], seen[ends[:-1] - 1] + 1])
