"""WordPiece as in BERT (Schuster & Nakajima 2012; Devlin et al. 2019): words and their parts, Chinese by character."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.kinds.training import UNKNOWN, chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import AddedToken, Tokenizer

PREFIX = "##"


@registry.register
class WordPiece(Settings):
    """Text does not come back exactly: white space is lost, and characters never seen become the unknown token."""

    name: Literal["wordpiece"] = "wordpiece"
    size: int = Field(8192, ge=len(SPECIAL) + 2)
    lowercase: bool = True
    """Also removes accents, as BERT's uncased models do."""
    sample_bytes: int = Field(200_000_000, ge=1)

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the pieces. The result depends on the set of texts only."""
        from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

        chosen = chosen_texts(texts, self.sample_bytes)
        inner = Tokenizer(models.WordPiece(unk_token=UNKNOWN))  # pyright: ignore[reportCallIssue]
        inner.normalizer = normalizers.BertNormalizer(lowercase=self.lowercase)  # pyright: ignore
        inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()  # pyright: ignore[reportAttributeAccessIssue]
        inner.decoder = decoders.WordPiece(cleanup=False)  # pyright: ignore[reportAttributeAccessIssue]
        special = special_tokens(unknown=True)
        trainer = trainers.WordPieceTrainer(
            vocab_size=self.size,
            min_frequency=2,
            show_progress=False,
            # the library numbers these by chance and breaks ties by number; listed first they have fixed numbers
            special_tokens=[*special, *continuations(inner, chosen)],
            continuing_subword_prefix=PREFIX,
        )
        inner.train_from_iterator(chosen, trainer)
        return finished(Tokenizer.from_str(without_extra(inner.to_str(), special)), self.name, self.size, chosen)


def continuations(inner: Tokenizer, texts: Iterable[str]) -> list[str]:
    """The characters that stand inside words, with their prefix, in the order of Unicode."""
    found: set[str] = set()
    for text in texts:
        for word, _ in inner.pre_tokenizer.pre_tokenize_str(inner.normalizer.normalize_str(text)):  # pyright: ignore
            found.update(word[1:])
    return [PREFIX + character for character in sorted(found)]


def without_extra(content: str, special: list[AddedToken]) -> str:
    """The tokenizer.json in which only `special` are added tokens."""
    found = json.loads(content)
    found["added_tokens"] = found["added_tokens"][: len(special)]
    return json.dumps(found)
