"""Whole words: the most frequent of the text, and one unknown token for all others. What word vectors want."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.text.words import HAN, words
from danlu.tokens.kinds.training import UNKNOWN, chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

PIECE = rf"[{HAN}]|(?:(?![{HAN}])\w)+(?:['’](?:(?![{HAN}])\w)+)*|\S"
"""What is a word where no Chinese word of several characters stands: as in danlu.text.words, white space left out."""

CHINESE = re.compile(rf"[{HAN}]{{2,}}")


@registry.register
class Word(Settings):
    """A token is a word, a sign, or a Chinese word. Text does not come back exactly: white space is lost, and other
    words become the unknown token.

    Chinese words are found by rjieba (extra `zh`) while learning; afterwards the longest known word is taken at each
    place, from the left. lowercase: `The` and `the` are one word.
    """

    name: Literal["word"] = "word"
    size: int = Field(8192, ge=len(SPECIAL) + 2)
    """Entries, special tokens among them; fewer when the text has fewer words."""
    lowercase: bool = True
    least: int = Field(2, ge=1)
    """A word that is rarer than this in the text is unknown."""
    sample_bytes: int = Field(200_000_000, ge=1)

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Count the words; equal counts are taken in the order of Unicode."""
        from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

        chosen = chosen_texts(texts, self.sample_bytes)
        counts = Counter(word for text in chosen for word in words(text.lower() if self.lowercase else text))
        frequent = sorted((word for word, n in counts.items() if n >= self.least), key=lambda w: (-counts[w], w))
        kept = frequent[: self.size - len(SPECIAL) - 1]
        vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), UNKNOWN, *kept])}
        inner = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))  # pyright: ignore[reportCallIssue]
        if self.lowercase:
            inner.normalizer = normalizers.Lowercase()  # pyright: ignore[reportAttributeAccessIssue]
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(PIECE), "removed", invert=True)  # pyright: ignore
        inner.add_special_tokens(special_tokens(unknown=True))
        # added tokens are cut out first, the longest at each place: the words of a text without spaces
        inner.add_tokens([AddedToken(word, normalized=False) for word in kept if CHINESE.fullmatch(word)])
        return finished(inner, self.name, self.size, chosen)
