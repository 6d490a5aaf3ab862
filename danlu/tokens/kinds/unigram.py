"""Unigram language model pieces (Kudo 2018), with bytes for characters that no piece covers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from danlu.registry import tokenizers as registry
from danlu.tokens.byte_tokens import BYTE_TOKENS
from danlu.tokens.kinds.kind import SAMPLE_BYTES, SampleBytes, TokenizerKind
from danlu.tokens.kinds.training import (
    UNKNOWN,
    special_tokens,
    split_before_special,
    training_sample,
    wrap_tokenizer,
)
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MIN_SIZE = len(SPECIAL) + 1 + len(BYTE_TOKENS) + 1
SPACE = "\u2581"
PASSES = 3
"""Passes of Viterbi training."""

BYTE_PENALTY = 10.0
"""Log-likelihood of the least likely piece minus that of a byte, in nats."""

BATCH = 256
"""Texts encoded at once."""


@registry.register
class Unigram(TokenizerKind):
    """Pieces selected by the likelihood of the text. Text is decoded exactly, except for `▁`, which marks a space."""

    name: Literal["unigram"] = "unigram"
    size: int = Field(
        8192,
        ge=MIN_SIZE,
        description="Maximum number of entries, including special tokens and 256 bytes; fewer if the text has fewer "
        "pieces.",
    )
    sample_bytes: SampleBytes = SAMPLE_BYTES

    def train(self, texts: Iterable[str]) -> TextTokenizer:
        """Learn the pieces. The result depends on the set of texts, not on their order."""
        from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

        sample = training_sample(texts, self.sample_bytes, self.size)
        inner = Tokenizer(models.Unigram())
        metaspace = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="never")
        inner.pre_tokenizer = pre_tokenizers.Sequence([split_before_special(), metaspace])  # pyright: ignore
        trainer = trainers.UnigramTrainer(
            vocab_size=self.size - len(BYTE_TOKENS),
            show_progress=False,
            special_tokens=special_tokens(unknown=True),
            unk_token=UNKNOWN,
        )
        inner.train_from_iterator(sample, trainer)
        inner = Tokenizer.from_str(rescore(add_byte_pieces(inner.to_str()), sample))
        steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
        inner.decoder = decoders.Sequence(steps)  # pyright: ignore[reportAttributeAccessIssue]
        return wrap_tokenizer(inner, self.name, self.size, sample)


def add_byte_pieces(content: str) -> str:
    """Return the tokenizer.json with a piece for every byte, all pieces ordered by code point and without scores."""
    found = json.loads(content)
    model = found["model"]
    special = len(found["added_tokens"])
    pieces = sorted(piece for piece, _ in model["vocab"][special:])
    model["vocab"] = [*model["vocab"][:special], *([piece, 0.0] for piece in (*pieces, *BYTE_TOKENS))]
    model["byte_fallback"] = True
    return json.dumps(found)


def rescore(content: str, texts: Sequence[str]) -> str:
    """Return the tokenizer.json with scores from integer counts, the most likely pieces first and the bytes last.

    The scores of the library are sums in a random order, and expectation maximization amplifies their rounding errors.
    Here all pieces start with equal scores, which segments a text into as few pieces as possible. In each of `PASSES`
    passes, the score becomes the log of the piece's share in the best segmentation of the texts (Viterbi training).
    """
    from tokenizers import Tokenizer

    found = json.loads(content)
    special, vocabulary = len(found["added_tokens"]), found["model"]["vocab"]
    learnt, scores = slice(special, len(vocabulary) - len(BYTE_TOKENS)), np.full(len(vocabulary), -1.0)
    for _ in range(PASSES):
        scores[learnt.stop :] = scores[learnt].min() - BYTE_PENALTY
        found["model"]["vocab"] = [[piece, float(score)] for (piece, _), score in zip(vocabulary, scores, strict=True)]
        counts = piece_counts(Tokenizer.from_str(json.dumps(found)), texts, len(vocabulary))
        smoothed = np.maximum(counts, 0.5)  # pieces that do not occur are less likely than all that do
        scores = np.log(smoothed / smoothed[learnt].sum())
    bytes_score = float(scores[learnt].min() - BYTE_PENALTY)
    pieces = sorted(([piece, float(s)] for (piece, _), s in zip(vocabulary[learnt], scores[learnt], strict=True)),
                    key=by_likelihood)  # fmt: skip
    found["model"]["vocab"] = [*vocabulary[:special], *pieces, *([piece, bytes_score] for piece in BYTE_TOKENS)]
    return json.dumps(found)


def piece_counts(inner: Tokenizer, texts: Sequence[str], size: int) -> np.ndarray:
    """Return how often each entry occurs in the texts, [size] int64."""
    inner.encode_special_tokens = True
    counts = np.zeros(size, np.int64)
    for start in range(0, len(texts), BATCH):
        encodings = inner.encode_batch_fast(texts[start : start + BATCH], add_special_tokens=False)
        ids = np.concatenate([np.array(encoding.ids, np.int64) for encoding in encodings])
        counts += np.bincount(ids, minlength=size)
    return counts


def by_likelihood(piece: list[Any]) -> tuple[float, str]:
    """Return the sort key of a piece: by descending likelihood, then by code point."""
    return -piece[1], piece[0]
