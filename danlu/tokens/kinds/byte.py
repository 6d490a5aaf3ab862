"""Bytes, as in ByT5 (Xue et al. 2022): 256 entries, nothing to learn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from danlu.registry import tokenizers as registry
from danlu.tokens.kinds.kind import TokenizerKind
from danlu.tokens.kinds.training import special_tokens, wrap_tokenizer
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer


@registry.register
class Byte(TokenizerKind):
    """One token per byte of UTF-8."""

    name: Literal["byte"] = "byte"

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Return the tokenizer, which does not depend on the texts."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers

        alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
        vocabulary = {token: i for i, token in enumerate([*SPECIAL.values(), *alphabet])}
        inner = Tokenizer(models.BPE(vocabulary, []))
        inner.add_special_tokens(special_tokens())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)  # pyright: ignore
        inner.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
        return wrap_tokenizer(inner, self.name, len(vocabulary), [])
