"""Scores of word pairs, and the evaluation of word vectors by noise words and nearest neighbours.

Shapes: T positions of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Batch, Seq, StreamSpec, pointwise_order
from danlu.objective import ModelAPI, ModelShape, UnitSource
from danlu.objectives.word_vectors.word_windows import offsets
from danlu.packing import pack
from danlu.text.stop_words import CHINESE, ENGLISH

BLOCK = 32
"""Rows per matrix product in `band_products`."""

SHOWN_WORDS, SHOWN_NEIGHBOURS = 12, 8
"""Numbers of words and of neighbours per word in samples."""


class ContextVectors(nn.Module):
    """The context vectors of word2vec, a second embedding of each token: ids [...] -> [..., width]."""

    def __init__(self, shape: ModelShape, std: float = 0.0):
        super().__init__()
        self.context = nn.Embedding(shape.vocabulary_size, shape.width)
        nn.init.normal_(self.context.weight, std=std)

    def forward(self, ids: Tensor) -> Tensor:
        return self.context(ids)


def upcast(x: Tensor) -> Tensor:
    """Convert to float32 or wider, without reducing the precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def band_products(left: Tensor, right: Tensor, window: int) -> Tensor:
    """Return the inner products of each row of `left` with the rows of `right` within the window, [T, 2 window].

    The rows are processed in blocks with one matrix product per block. Values at offsets outside of the text are
    undefined.

    Args:
        left: [T, width].
        right: [T, width].
        window: maximum distance of two rows; the order is that of `offsets`.
    """
    length, blocks = len(left), max(1, -(-len(left) // BLOCK))
    padding = blocks * BLOCK - length
    rows = F.pad(left, (0, 0, 0, padding)).unflatten(0, (blocks, BLOCK))
    context = F.pad(right, (0, 0, window, window + padding)).unfold(0, BLOCK + 2 * window, BLOCK)
    products = torch.bmm(rows, context)  # [blocks, BLOCK, BLOCK + 2 window]
    at = torch.arange(BLOCK)[:, None] + window + torch.from_numpy(offsets(window))
    return products.gather(2, at.to(left.device).expand(blocks, -1, -1)).flatten(0, 1)[:length]


def noise_products(noise: Tensor, hidden: Tensor) -> Tensor:
    """Return the inner products [T, k] of noise vectors [T, k, width] with hidden states [T, width]."""
    return torch.bmm(noise, hidden[:, :, None]).squeeze(-1)


@dataclass(frozen=True)
class WordScores:
    """Scores of true words and of noise words at T positions."""

    words: Tensor  # true words [T, n], -1 for none
    true: Tensor  # scores of the true words [T, n]
    drawn: Tensor  # noise words [T, k]
    noise: Tensor  # scores of the noise words [T, k]


def correct_pairs(scores: WordScores) -> tuple[float, int]:
    """Count the pairs of a true and a noise word of a position in which the true word has the higher score.

    Returns:
        The number of correctly ranked pairs, in which a tie counts as half, and the number of all pairs. Pairs of equal
        words are not counted.
    """
    true, noise = scores.true[:, :, None], scores.noise[:, None, :]
    present = (scores.words[:, :, None] >= 0) & (scores.words[:, :, None] != scores.drawn[:, None, :])
    higher, equal = (true > noise) & present, (true == noise) & present
    return int(higher.sum()) + int(equal.sum()) / 2, int(present.sum())


def ranking_accuracy(batches: Iterable[Batch], score: Callable[[Batch], WordScores]) -> float:
    """Return the share of pairs of a true and a noise word in which the true word scores higher; chance is 0.5."""
    counts = [correct_pairs(score(batch)) for batch in batches]
    return sum(correct for correct, _ in counts) / max(sum(total for _, total in counts), 1)


def is_word(text: str) -> bool:
    """Whether a token is shown as a word: it has three or more letters or is Chinese, and is not a stop word."""
    word = text.strip().lower()
    return word.isalpha() and (len(word) > 2 or not word.isascii()) and word not in ENGLISH | CHINESE


def neighbour_samples(model: ModelAPI, counts: np.ndarray, source: UnitSource) -> list[dict[str, Any]]:
    """Return the most frequent words, each with its nearest neighbours by cosine similarity."""
    ids = np.flatnonzero(counts)
    seq = Seq({"token": ids, "position": np.zeros(len(ids), np.int64)}, *pointwise_order(len(ids)))
    stream = pack([{"text": [seq]}], {"text": StreamSpec()})["text"].to(next(model.parameters()).device)  # type: ignore[attr-defined]
    vectors = F.normalize(model.hidden(stream).float(), dim=1)
    shown = []
    for k in np.argsort(-counts[ids], kind="stable"):
        if len(shown) == SHOWN_WORDS:
            break
        if is_word(word := source.decode([int(ids[k])])):
            near = torch.argsort(vectors @ vectors[k], descending=True, stable=True).tolist()
            names = [source.decode([int(ids[j])]).strip() for j in near[: SHOWN_NEIGHBOURS + 1] if j != k]
            shown.append({"given": word.strip(), "made": ", ".join(names[:SHOWN_NEIGHBOURS])})
    return shown
