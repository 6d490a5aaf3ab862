"""Byte-level BPE (Sennrich et al. 2016, over bytes as in GPT-2): every text can be encoded and decoded exactly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.tokens.kinds.kind import SAMPLE_BYTES, SampleBytes, TokenizerKind
from danlu.tokens.kinds.training import special_tokens, training_sample, wrap_tokenizer
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

MIN_SIZE = len(SPECIAL) + 256

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""The pre-tokenization of Qwen2 (2024): as in GPT-2, but with single digits and separate line ends."""


def pre_tokenizer(kind: str) -> Any:
    """Return a pre-tokenizer that splits text as GPT-2 or Qwen2 does and writes bytes as printable characters."""
    from tokenizers import Regex, pre_tokenizers

    if kind == "gpt2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    split = pre_tokenizers.Split(Regex(QWEN2), "isolated")
    return pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


@registry.register
class ByteBPE(TokenizerKind):
    """Byte-level byte-pair encoding. Every text can be encoded and is decoded exactly."""

    name: Literal["byte_bpe"] = "byte_bpe"
    size: int = Field(
        8192,
        ge=MIN_SIZE,
        description="Maximum number of entries, including 4 special tokens and 256 bytes; fewer if the text has no "
        "more pairs to merge.",
    )
    pre_tokenization: Literal["gpt2", "qwen2"] = Field(
        "gpt2",
        description="How text is split into pieces before pairs are merged; with qwen2 every digit is a piece.",
    )
    sample_bytes: SampleBytes = SAMPLE_BYTES

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the merges. The result depends on the set of texts, not on their order or the number of threads."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        sample = training_sample(texts, self.sample_bytes, self.size)
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizer(self.pre_tokenization)  # pyright: ignore[reportAttributeAccessIssue]
        inner.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=2,  # a pair that occurs once is not frequent enough to merge
            show_progress=False,
            special_tokens=special_tokens(),
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        inner.train_from_iterator(sample, trainer)
        return wrap_tokenizer(inner, self.name, self.size, sample)
