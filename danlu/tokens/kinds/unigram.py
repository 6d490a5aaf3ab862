"""Unigram language model pieces (Kudo 2018), with bytes for what they do not cover."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.byte_pieces import BYTES
from danlu.tokens.kinds.training import UNKNOWN, apart_from_special, chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

SMALLEST = len(SPECIAL) + 1 + len(BYTES) + 1
SPACE = "\u2581"


@registry.register
class Unigram(Settings):
    """Pieces chosen by the likelihood of the text; text comes back exactly but for the sign that stands for a space."""

    name: Literal["unigram"] = "unigram"
    size: int = Field(8192, ge=SMALLEST)
    """Entries, special tokens and 256 bytes among them; fewer when the text has fewer pieces."""
    sample_bytes: int = Field(200_000_000, ge=1)

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the pieces. The result depends on the set of texts only."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        chosen = chosen_texts(texts, self.sample_bytes)
        inner = Tokenizer(models.Unigram())
        metaspace = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never")
        inner.pre_tokenizer = pre_tokenizers.Sequence([apart_from_special(), metaspace])  # pyright: ignore
        trainer = trainers.UnigramTrainer(
            vocab_size=self.size - len(BYTES),
            show_progress=False,
            special_tokens=special_tokens(unknown=True),
            unk_token=UNKNOWN,
        )
        inner.train_from_iterator(chosen, trainer)
        inner = Tokenizer.from_str(with_bytes(inner.to_str()))
        back = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        inner.decoder = decoders.Sequence(back)  # pyright: ignore[reportAttributeAccessIssue]
        return finished(inner, self.name, self.size, chosen)


def likeliest_first(piece: list[Any]) -> tuple[float, str]:
    return -piece[1], piece[0]


def with_bytes(content: str) -> str:
    """The tokenizer.json with its pieces in order and a piece for every byte, less likely than any other."""
    found = json.loads(content)
    model = found["model"]
    special = len(found["added_tokens"])
    # equally likely pieces come in an order of chance
    pieces = sorted(([piece, round(score, 6)] for piece, score in model["vocab"][special:]), key=likeliest_first)
    lowest = pieces[-1][1] - 10.0
    model["vocab"] = [*model["vocab"][:special], *pieces, *([piece, lowest] for piece in BYTES)]
    model["byte_fallback"] = True
    return json.dumps(found)
