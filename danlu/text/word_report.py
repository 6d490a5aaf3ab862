"""Statistics of the words and scripts of a corpus, for a visual check that it is the intended text."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from danlu.extras import import_optional
from danlu.text.corpus import Corpus
from danlu.text.scripts import shares_of_characters
from danlu.text.split import SPLITS
from danlu.text.stop_words import CHINESE, ENGLISH

MAX_WORDS = 1_000_000
"""Maximum number of distinct words held. Above it the rarest are dropped, and counts of rare words are lower bounds."""

ENGLISH_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*")
HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)

Segmenter = Callable[[str], Iterable[str]]


def chinese_segmenter() -> tuple[Segmenter, str]:
    """Return the segmenter of runs of Chinese characters and the name of its units.

    The units are words if rjieba is installed (extra `zh`), otherwise characters.
    """
    if importlib.util.find_spec("rjieba") is None:
        return iter, "character (for words: pip install 'danlu[zh]')"
    return import_optional("rjieba", "zh", "Chinese word segmentation").cut, "word (rjieba)"


@dataclass
class WordCount:
    """Counts of the words of one language and of its stop words."""

    stop_words: frozenset[str]
    counts: Counter[str] = field(default_factory=Counter)
    total: int = 0
    stop_word_count: int = 0
    exact: bool = True

    def add(self, words: Iterable[str]) -> None:
        for word, n in Counter(words).items():
            self.counts[word] += n
            self.total += n
            self.stop_word_count += n * (word in self.stop_words)
        if len(self.counts) > MAX_WORDS:
            self.counts, self.exact = Counter(dict(self.counts.most_common(MAX_WORDS // 2))), False

    def facts(self, top: int) -> dict[str, Any]:
        ordered = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        content = [pair for pair in ordered if pair[0] not in self.stop_words]
        return {
            "words": self.total,
            "different": len(self.counts),
            "exact": self.exact,
            "stop_word_share": self.stop_word_count / self.total if self.total else None,
            "most_frequent": [[word, n] for word, n in ordered[:top]],
            "most_frequent_content": [[word, n] for word, n in content[:top]],
        }


def quantiles(counts: Mapping[int, int]) -> dict[str, int]:
    """Return {"0": minimum, ..., "0.5": median, ..., "1": maximum} of numbers given as {number: count}."""
    total, reached, found = sum(counts.values()), 0, {}
    ranks = [(q, min(total - 1, int(q * total))) for q in QUANTILES] if total else []
    for number in sorted(counts):
        reached += counts[number]
        while ranks and ranks[0][1] < reached:
            found[f"{ranks.pop(0)[0]:g}"] = number
    return found


def report_texts(texts: Iterable[str], top: int = 20) -> dict[str, Any]:
    """Return statistics of texts, for JSON.

    Memory is bounded: at most a million distinct words of each language are held.

    Returns:
        {"documents", "characters", "bytes" (UTF-8), "characters_per_document": {quantile: characters},
        "scripts": {script: share of the letters}, "english": {"words", "different", "exact",
        "stop_word_share" (None without words), "most_frequent": [[word, count]], "most_frequent_content": the same
        without stop words}, "chinese": the same, and "unit": the unit counted}.
    """
    segment, unit = chinese_segmenter()
    lengths: Counter[int] = Counter()
    characters: Counter[str] = Counter()
    english, chinese = WordCount(ENGLISH), WordCount(CHINESE)
    size = 0
    for text in texts:
        lengths[len(text)] += 1
        size += len(text.encode())
        characters.update(text)
        english.add(ENGLISH_WORD.findall(text.lower()))
        chinese.add(word for run in HAN_RUN.findall(text) for word in segment(run))
    return {
        "documents": lengths.total(),
        "characters": characters.total(),
        "bytes": size,
        "characters_per_document": quantiles(lengths),
        "scripts": shares_of_characters(characters),
        "english": english.facts(top),
        "chinese": {"unit": unit, **chinese.facts(top)},
    }


def word_report(corpus: Corpus, top: int = 20) -> dict[str, Any]:
    """Return `report_texts` of all documents of a corpus, in all splits."""
    return report_texts((text for split in SPLITS for text in corpus.texts(split)), top)
