"""WordPiece as in BERT (Schuster & Nakajima 2012; Devlin et al. 2019): words and subwords, Chinese by character."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.tokens.kinds.kind import SAMPLE_BYTES, SampleBytes, TokenizerKind
from danlu.tokens.kinds.training import UNKNOWN, special_tokens, training_sample, wrap_tokenizer
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

PREFIX = "##"


@registry.register
class WordPiece(TokenizerKind):
    """Words and subwords. Text is not decoded exactly: white space is lost, and unseen characters are unknown."""

    name: Literal["wordpiece"] = "wordpiece"
    size: int = Field(
        8192,
        ge=len(SPECIAL) + 2,
        description="Maximum number of entries, including special tokens; fewer if the text has fewer subwords.",
    )
    lowercase: bool = Field(
        True, description="Whether to convert text to lower case and remove accents, as BERT's uncased models do."
    )
    sample_bytes: SampleBytes = SAMPLE_BYTES

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the subwords. The result depends on the set of texts, not on their order."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        sample = training_sample(texts, self.sample_bytes, self.size)
        inner = Tokenizer(models.WordPiece(unk_token=UNKNOWN))  # pyright: ignore[reportCallIssue]
        inner.normalizer = normalizers.BertNormalizer(lowercase=self.lowercase)  # pyright: ignore
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore[reportAttributeAccessIssue]
        inner.decoder = decoders.WordPiece(cleanup=False)  # pyright: ignore[reportAttributeAccessIssue]
        special = special_tokens(unknown=True)
        trainer = trainers.WordPieceTrainer(
            vocab_size=self.size,
            min_frequency=2,
            show_progress=False,
            # the library assigns these ids in random order and breaks ties by id; special tokens have fixed ids
            special_tokens=[*special, *continuations(inner, sample)],
            continuing_subword_prefix=PREFIX,
        )
        inner.train_from_iterator(sample, trainer)
        return wrap_tokenizer(
            Tokenizer.from_str(keep_special_tokens(inner.to_str(), special)), self.name, self.size, sample
        )


def continuations(inner: Tokenizer, texts: Iterable[str]) -> list[str]:
    """Return the characters inside words, with their prefix, ordered by code point."""
    found: set[str] = set()
    for text in texts:
        for word, _ in inner.pre_tokenizer.pre_tokenize_str(inner.normalizer.normalize_str(text)):  # pyright: ignore
            found.update(word[1:])
    return [PREFIX + character for character in sorted(found)]


def keep_special_tokens(content: str, special: list[AddedToken]) -> str:
    """Return the tokenizer.json with `special` as its only added tokens."""
    found = json.loads(content)
    found["added_tokens"] = found["added_tokens"][: len(special)]
    return json.dumps(found)
