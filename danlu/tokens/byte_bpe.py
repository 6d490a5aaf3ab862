"""Byte-level BPE (Sennrich et al. 2016 over bytes, as in GPT-2): any text has ids and comes back unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from danlu.errors import WrongInput
from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.sample import sample
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

SMALLEST = len(SPECIAL) + 256


@registry.register
class ByteBPE(Settings):
    """Settings of a byte-level BPE tokenizer."""

    name: Literal["byte_bpe"] = "byte_bpe"
    size: int = Field(8192, ge=SMALLEST)
    """Entries, the 4 special tokens and 256 bytes among them; fewer when the text has no more to merge."""
    sample_bytes: int = Field(200_000_000, ge=1)
    """Text to learn the merges from, at most: whole documents chosen by hash."""

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the merges. The result depends on the set of texts only: not on their order, nor on threads."""
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

        chosen = sample(texts, self.sample_bytes)
        if not any(chosen):
            raise WrongInput("tokenizer: there is no text to learn from; check the corpus")
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
        inner.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        trainer = trainers.BpeTrainer(
            vocab_size=self.size,
            min_frequency=2,  # a pair seen once teaches nothing
            show_progress=False,
            special_tokens=[
                # "is <mask>" in transformers: the token that fills it brings the space
                AddedToken(token, special=True, normalized=False, lstrip=role == "mask")
                for role, token in SPECIAL.items()
            ],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        )
        inner.train_from_iterator(chosen, trainer)
        facts = {
            "kind": self.name,
            "size": inner.get_vocab_size(),
            "size_asked": self.size,
            "sample_bytes": sum(len(text.encode()) for text in chosen),
        }
        return TextTokenizer(inner, facts)
