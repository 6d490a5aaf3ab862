"""Scores of word pairs, and figures that judge word vectors: accuracy against noise words, nearest neighbours.

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
SHOWN_WORDS, SHOWN_NEIGHBOURS = 12, 8


class ContextVectors(nn.Module):
    """A second vector for each token, for its use as context: ids [...] -> [..., width]."""

    def __init__(self, shape: ModelShape, std: float = 0.0):
        super().__init__()
        self.context = nn.Embedding(shape.vocabulary_size, shape.width)
        nn.init.normal_(self.context.weight, std=std)

    def forward(self, ids: Tensor) -> Tensor:
        return self.context(ids)


def at_least_float32(x: Tensor) -> Tensor:
    """Convert to float32 unless the precision is higher."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def band_products(left: Tensor, right: Tensor, window: int) -> Tensor:
    """Return the products of each row of `left` with the rows of `right` at the `offsets` from it: [T, 2 window].

    Both inputs are [T, width]. The rows are processed in blocks, one matrix product per block. Values at offsets
    outside of the text are undefined.
    """
    length, blocks = len(left), max(1, -(-len(left) // BLOCK))
    padding = blocks * BLOCK - length
    rows = F.pad(left, (0, 0, 0, padding)).unflatten(0, (blocks, BLOCK))
    around = F.pad(right, (0, 0, window, window + padding)).unfold(0, BLOCK + 2 * window, BLOCK)
    products = torch.bmm(rows, around)  # [blocks, BLOCK, BLOCK + 2 window]
    at = torch.arange(BLOCK)[:, None] + window + torch.from_numpy(offsets(window))
    return products.gather(2, at.to(left.device).expand(blocks, -1, -1)).flatten(0, 1)[:length]


def noise_products(noise: Tensor, hidden: Tensor) -> Tensor:
    """Return the products [T, k] of noise vectors [T, k, width] with hidden states [T, width]."""
    return torch.bmm(noise, hidden[:, :, None]).squeeze(-1)


@dataclass(frozen=True)
class Scored:
    """Scores of true and of noise words at T positions."""

    words: Tensor  # [T, n] true words, -1 for none
    true: Tensor  # [T, n], their scores
    drawn: Tensor  # [T, k] noise words
    noise: Tensor  # [T, k], their scores


def correct_pairs(found: Scored) -> tuple[float, int]:
    """Return how many pairs of a true and a noise word at one position are ranked correctly, and how many pairs there
    are.

    A tie counts half. Noise that equals the true word makes no pair.
    """
    true, noise = found.true[:, :, None], found.noise[:, None, :]
    present = (found.words[:, :, None] >= 0) & (found.words[:, :, None] != found.drawn[:, None, :])
    higher, equal = (true > noise) & present, (true == noise) & present
    return int(higher.sum()) + int(equal.sum()) / 2, int(present.sum())


def above_noise(batches: Iterable[Batch], scored: Callable[[Batch], Scored]) -> float:
    """Return the share of held-out true words that score above a noise word of the same position; chance is 0.5."""
    found = [correct_pairs(scored(batch)) for batch in batches]
    return sum(higher for higher, _ in found) / max(sum(n for _, n in found), 1)


def is_word(text: str) -> bool:
    """Whether a token is shown as a word: letters, at least three or Chinese, and no stop word."""
    plain = text.strip().lower()
    return plain.isalpha() and (len(plain) > 2 or not plain.isascii()) and plain not in ENGLISH | CHINESE


def neighbour_samples(model: ModelAPI, counts: np.ndarray, source: UnitSource) -> list[dict[str, Any]]:
    """Return the most frequent words, each with the words whose vectors have the highest cosine with its own."""
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
