"""Characters: an entry for each frequent character; rare ones are written as bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.tokens.byte_tokens import BYTE_TOKENS
from danlu.tokens.kinds.kind import SAMPLE_BYTES, SampleBytes, TokenizerKind
from danlu.tokens.kinds.training import special_tokens, training_sample, wrap_tokenizer
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

MIN_SIZE = len(SPECIAL) + len(BYTE_TOKENS) + 1


@registry.register
class Character(TokenizerKind):
    """One token per character. Characters outside the vocabulary are encoded as their UTF-8 bytes."""

    name: Literal["character"] = "character"
    size: int = Field(
        8192,
        ge=MIN_SIZE,
        description="Maximum number of entries, including 4 special tokens and 256 bytes; fewer if the text has fewer "
        "characters.",
    )
    coverage: float = Field(
        0.9999, gt=0, le=1, description="Share of the characters of the text that the entries must cover."
    )
    sample_bytes: SampleBytes = SAMPLE_BYTES

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Count the characters; equal counts are ordered by code point."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        sample = training_sample(texts, self.sample_bytes, self.size)
        counts = Counter(c for text in sample for c in text)
        available, left = self.size - len(SPECIAL) - len(BYTE_TOKENS), self.coverage * counts.total()
        kept = []
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if len(kept) == available or left <= 0:
                break
            kept.append(character)
            left -= count
        vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *BYTE_TOKENS, *kept])}
        inner = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
        inner.add_special_tokens(special_tokens())
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")  # pyright: ignore
        inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])  # pyright: ignore
        return wrap_tokenizer(inner, self.name, self.size, sample)
