"""Whole words: the most frequent words of the text, and one unknown token for all others. Used for word vectors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.text.words import HAN, words
from danlu.tokens.kinds.kind import SAMPLE_BYTES, SampleBytes, TokenizerKind
from danlu.tokens.kinds.training import UNKNOWN, special_tokens, training_sample, wrap_tokenizer
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

PIECE = rf"[{HAN}]|(?:(?![{HAN}])\w)+(?:['’](?:(?![{HAN}])\w)+)*|\S"
"""A word as in danlu.text.words, without white space; of Chinese, a single character."""

CHINESE = re.compile(rf"[{HAN}]{{2,}}")


@registry.register
class Word(TokenizerKind):
    """One token per word or punctuation mark. Text is not decoded exactly: white space and rare words are lost.

    In training, Chinese words are found by rjieba (extra `zh`). In encoding, Chinese text is matched from left to right
    with the longest known word.
    """

    renamed: ClassVar[Mapping[str, str]] = {"least": "min_frequency"}

    name: Literal["word"] = "word"
    size: int = Field(
        8192,
        ge=len(SPECIAL) + 2,
        description="Maximum number of entries, including special tokens; fewer if the text has fewer words.",
    )
    lowercase: bool = Field(True, description="Whether `The` and `the` are one word.")
    min_frequency: int = Field(2, ge=1, description="Words that occur less often in the text become the unknown token.")
    sample_bytes: SampleBytes = SAMPLE_BYTES

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Count the words; equal counts are ordered by code point."""
        from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

        sample = training_sample(texts, self.sample_bytes, self.size)
        counts = Counter(word for text in sample for word in words(text.lower() if self.lowercase else text))
        frequent = sorted(
            (word for word, n in counts.items() if n >= self.min_frequency), key=lambda w: (-counts[w], w)
        )
        kept = frequent[: self.size - len(SPECIAL) - 1]
        vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), UNKNOWN, *kept])}
        inner = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))  # pyright: ignore[reportCallIssue]
        if self.lowercase:
            inner.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), "removed", invert=True)  # pyright: ignore
        inner.add_special_tokens(special_tokens(unknown=True))
        # Chinese words are added tokens, because these are matched first, the longest at each position
        inner.add_tokens([AddedToken(word, normalized=False) for word in kept if CHINESE.fullmatch(word)])
        return wrap_tokenizer(inner, self.name, self.size, sample)
