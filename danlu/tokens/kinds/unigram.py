"""Unigram language model pieces (Kudo 2018), with bytes for what they do not cover."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.settings import Settings
from danlu.tokens.byte_tokens import BYTES
from danlu.tokens.kinds.training import UNKNOWN, apart_from_special, chosen_texts, finished, special_tokens
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SMALLEST = len(SPECIAL) + 1 + len(BYTES) + 1
SPACE = "\u2581"
PASSES = 3
BELOW = 10.0
"""How much less likely a byte is than the least likely piece, in nats."""

BATCH = 256
"""Texts encoded at a time."""


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
        inner = Tokenizer.from_str(rescored(with_bytes(inner.to_str()), chosen))
        back = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        inner.decoder = decoders.Sequence(back)  # pyright: ignore[reportAttributeAccessIssue]
        return finished(inner, self.name, self.size, chosen)


def with_bytes(content: str) -> str:
    """The tokenizer.json with its pieces in the order of Unicode and a piece for every byte, none with a score yet."""
    found = json.loads(content)
    model = found["model"]
    special = len(found["added_tokens"])
    pieces = sorted(piece for piece, _ in model["vocab"][special:])
    model["vocab"] = [*model["vocab"][:special], *([piece, 0.0] for piece in (*pieces, *BYTES))]
    model["byte_fallback"] = True
    return json.dumps(found)


def rescored(content: str, texts: Sequence[str]) -> str:
    """The tokenizer.json with scores from whole counts, its pieces likeliest first and the bytes last.

    The library's own scores are sums in an order of chance, whose rounding expectation maximization makes larger. Here
    every piece begins alike, so that a text has as few pieces as can be, and then has the logarithm of its share in the
    best segmentation of the texts (Viterbi training), `PASSES` times over.
    """
    from tokenizers import Tokenizer

    found = json.loads(content)
    special, vocabulary = len(found["added_tokens"]), found["model"]["vocab"]
    learnt, scores = slice(special, len(vocabulary) - len(BYTES)), np.full(len(vocabulary), -1.0)
    for _ in range(PASSES):
        scores[learnt.stop :] = scores[learnt].min() - BELOW
        found["model"]["vocab"] = [[piece, float(score)] for (piece, _), score in zip(vocabulary, scores, strict=True)]
        counts = times(Tokenizer.from_str(json.dumps(found)), texts, len(vocabulary))
        seen = np.maximum(counts, 0.5)  # a piece that no text has is less likely than any that one has
        scores = np.log(seen / seen[learnt].sum())
    bytes_score = float(scores[learnt].min() - BELOW)
    pieces = sorted(([piece, float(s)] for (piece, _), s in zip(vocabulary[learnt], scores[learnt], strict=True)),
                    key=likeliest_first)  # fmt: skip
    found["model"]["vocab"] = [*vocabulary[:special], *pieces, *([piece, bytes_score] for piece in BYTES)]
    return json.dumps(found)


def times(inner: Tokenizer, texts: Sequence[str], size: int) -> np.ndarray:
    """[size] int64: how often each entry occurs in the texts."""
    inner.encode_special_tokens = True
    counts = np.zeros(size, np.int64)
    for start in range(0, len(texts), BATCH):
        encodings = inner.encode_batch_fast(texts[start : start + BATCH], add_special_tokens=False)
        ids = np.concatenate([np.array(encoding.ids, np.int64) for encoding in encodings])
        counts += np.bincount(ids, minlength=size)
    return counts


def likeliest_first(piece: list[Any]) -> tuple[float, str]:
    return -piece[1], piece[0]
