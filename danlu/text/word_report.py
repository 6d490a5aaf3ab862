"""What words and scripts a corpus is made of: to see by eye whether it is the text one meant."""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from danlu.extras import need
from danlu.text.corpus import Corpus
from danlu.text.scripts import shares_of_characters
from danlu.text.split import SPLITS
from danlu.text.stop_words import CHINESE, ENGLISH

MAX_WORDS = 1_000_000
"""Different words held; beyond it the rarest are forgotten and the counts of rare words are lower bounds."""

ENGLISH_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)*")
HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
QUANTILES = (0, 0.05, 0.25, 0.5, 0.75, 0.95, 1)

Cut = Callable[[str], Iterable[str]]


def chinese_cut() -> tuple[Cut, str]:
    """How runs of Chinese characters are cut and what the pieces are: words where rjieba is installed (extra `zh`)."""
    if importlib.util.find_spec("rjieba") is None:
        return iter, "character (for words: pip install 'danlu[zh]')"
    return need("rjieba", "zh", "Chinese words").cut, "word (rjieba)"


@dataclass
class WordCount:
    """The words of one language: how often each, and how many of them are stop words."""

    stop_words: frozenset[str]
    counts: Counter[str] = field(default_factory=Counter)
    total: int = 0
    stopped: int = 0
    exact: bool = True

    def add(self, words: Iterable[str]) -> None:
        for word, n in Counter(words).items():
            self.counts[word] += n
            self.total += n
            self.stopped += n * (word in self.stop_words)
        if len(self.counts) > MAX_WORDS:
            self.counts, self.exact = Counter(dict(self.counts.most_common(MAX_WORDS // 2))), False

    def facts(self, top: int) -> dict[str, Any]:
        ordered = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))
        content = [pair for pair in ordered if pair[0] not in self.stop_words]
        return {
            "words": self.total,
            "different": len(self.counts),
            "exact": self.exact,
            "stop_word_share": self.stopped / self.total if self.total else None,
            "most_frequent": [[word, n] for word, n in ordered[:top]],
            "most_frequent_content": [[word, n] for word, n in content[:top]],
        }


def quantiles(counts: Mapping[int, int]) -> dict[str, int]:
    """{"0": least, ..., "0.5": median, ..., "1": most} of numbers given as {number: how often}; {} of none."""
    total, reached, found = sum(counts.values()), 0, {}
    ranks = [(q, min(total - 1, int(q * total))) for q in QUANTILES] if total else []
    for number in sorted(counts):
        reached += counts[number]
        while ranks and ranks[0][1] < reached:
            found[f"{ranks.pop(0)[0]:g}"] = number
    return found


def report_texts(texts: Iterable[str], top: int = 20) -> dict[str, Any]:
    """Facts about texts, for JSON.

    {"documents", "characters", "bytes" (UTF-8), "characters_per_document": {quantile: characters},
    "scripts": {script: share of the letters},
    "english": {"words", "different", "exact", "stop_word_share" (None without words), "most_frequent": [[word, times]],
    "most_frequent_content": the same without stop words}, "chinese": the same and "unit", what was counted}.
    Memory does not grow with the texts: at most a million different words of each language are held.
    """
    cut, unit = chinese_cut()
    lengths: Counter[int] = Counter()
    characters: Counter[str] = Counter()
    english, chinese = WordCount(ENGLISH), WordCount(CHINESE)
    size = 0
    for text in texts:
        lengths[len(text)] += 1
        size += len(text.encode())
        characters.update(text)
        english.add(ENGLISH_WORD.findall(text.lower()))
        chinese.add(word for run in HAN_RUN.findall(text) for word in cut(run))
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
    """`report_texts` of all documents of a corpus, whatever their split."""
    return report_texts((text for split in SPLITS for text in corpus.texts(split)), top)
