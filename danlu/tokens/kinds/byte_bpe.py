"""Byte-level BPE (Sennrich et al. 2016 over bytes, as in GPT-2): any text has ids and comes back unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.kinds.training import chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

SMALLEST = len(SPECIAL) + 256

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Where Qwen2 (2024) parts text: as GPT-2, but digits one by one and line ends by themselves."""


def pre_tokenizer(kind: str) -> Any:
    """Text parted as GPT-2 or Qwen2 does, then bytes as printable letters."""
    from tokenizers import Regex, pre_tokenizers

    if kind == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    parted = pre_tokenizers.Split(Regex(QWEN2), "isolated")
    return pre_tokenizers.Sequence([parted, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@registry.register
class ByteBPE(Settings):
    """Settings of a byte-level BPE tokenizer."""

    name: Literal["byte_bpe"] = "byte_bpe"
    size: int = Field(8192, ge=SMALLEST)
    """Entries, the 4 special tokens and 256 bytes among them; fewer when the text has no more to merge."""
    pre_tokenization: Literal["gpt2", "qwen2"] = "gpt2"
    """Where text is parted before it is merged; qwen2 keeps digits one by one."""
    sample_bytes: int = Field(200_000_000, ge=1)
    """Text to learn the merges from, at most: whole documents chosen by hash."""

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the merges. The result depends on the set of texts only: not on their order, nor on threads."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        chosen = chosen_texts(texts, self.sample_bytes)
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizer(self.pre_tokenization)  # pyright: ignore[reportAttributeAccessIssue]
        inner.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=2,  # a pair seen once teaches nothing
            show_progress=False,
            special_tokens=special_tokens(),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        inner.train_from_iterator(chosen, trainer)
        return finished(inner, self.name, self.size, chosen)
