"""Characters: each common one an entry, rare ones as their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.byte_tokens import BYTES
from danlu.tokens.kinds.training import chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

SMALLEST = len(SPECIAL) + len(BYTES) + 1


@registry.register
class Character(Settings):
    """One token a character. What is not among the most frequent characters is written as the bytes of its UTF-8."""

    name: Literal["character"] = "character"
    size: int = Field(8192, ge=SMALLEST)
    """Entries, the 4 special tokens and 256 bytes among them; fewer when the text has fewer characters."""
    coverage: float = Field(0.9999, gt=0, le=1)
    """Share of the text's characters that have an entry of their own, at most."""
    sample_bytes: int = Field(200_000_000, ge=1)

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Count the characters; equal counts are taken in the order of Unicode."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        chosen = chosen_texts(texts, self.sample_bytes)
        counts = Counter(c for text in chosen for c in text)
        room, left = self.size - len(SPECIAL) - len(BYTES), self.coverage * counts.total()
        kept = []
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
            if len(kept) == room or left <= 0:
                break
            kept.append(character)
            left -= count
        vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *BYTES, *kept])}
        inner = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True))
        inner.add_special_tokens(special_tokens())
        inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")  # pyright: ignore
        inner.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])  # pyright: ignore
        return finished(inner, self.name, self.size, chosen)
