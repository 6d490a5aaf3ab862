"""The base class of tokenizer kinds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from danlu.registry import tokenizers
from danlu.settings import Settings
from danlu.tokens.tokenizer import TextTokenizer

SAMPLE_BYTES = 200_000_000

SampleBytes = Annotated[
    int, Field(ge=1, description="Maximum UTF-8 bytes of text to learn from: whole documents, chosen by hash.")
]
"""A setting shared by all kinds that learn from text."""


class TokenizerKind(Settings, ABC):
    """Settings of a kind of tokenizer, and its training.

    Register a subclass with a field `name: Literal["..."] = "..."`.
    """

    if TYPE_CHECKING:  # declared by each class as `name: Literal["..."] = "..."`
        name: str

    @abstractmethod
    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Train a tokenizer on some texts. The result depends on the set of texts, not on their order."""


tokenizers.base = TokenizerKind
