"""What word vectors are judged by: scores of pairs, and who is whose neighbour."""

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
    """One more vector for each token, as the context of others. ids [...] -> [..., width]."""

    def __init__(self, shape: ModelShape, std: float = 0.0):
        super().__init__()
        self.context = nn.Embedding(shape.vocabulary_size, shape.width)
        nn.init.normal_(self.context.weight, std=std)

    def forward(self, ids: Tensor) -> Tensor:
        return self.context(ids)


def wide(x: Tensor) -> Tensor:
    """In float32 or wider."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def banded(left: Tensor, right: Tensor, window: int) -> Tensor:
    """[T, width] twice -> [T, 2 window]: the products of each row of `left` with the rows of `right` at the `offsets`
    from it (of no meaning where they fall outside): blocks of rows, each one product of matrices."""
    length, blocks = len(left), max(1, -(-len(left) // BLOCK))
    filler = blocks * BLOCK - length
    rows = F.pad(left, (0, 0, 0, filler)).unflatten(0, (blocks, BLOCK))
    around = F.pad(right, (0, 0, window, window + filler)).unfold(0, BLOCK + 2 * window, BLOCK)
    products = torch.bmm(rows, around)  # [blocks, BLOCK, BLOCK + 2 window]
    at = torch.arange(BLOCK)[:, None] + window + torch.from_numpy(offsets(window))
    return products.gather(2, at.to(left.device).expand(blocks, -1, -1)).flatten(0, 1)[:length]


def against(noise: Tensor, hidden: Tensor) -> Tensor:
    """[T, k, width], [T, width] -> [T, k] products."""
    return torch.bmm(noise, hidden[:, :, None]).squeeze(-1)


@dataclass(frozen=True)
class Scored:
    """For each of T positions n true words (-1: none) and k noise words, [T, n] and [T, k], each with its score."""

    words: Tensor
    true: Tensor
    drawn: Tensor
    noise: Tensor


def share_above(found: Scored) -> tuple[float, int]:
    """Of pairs of a true and a noise word of the same position: in how many the true one scores higher, those where
    neither does counted half, and how many there are; noise that is the true word itself makes no pair."""
    true, noise = found.true[:, :, None], found.noise[:, None, :]
    there = (found.words[:, :, None] >= 0) & (found.words[:, :, None] != found.drawn[:, None, :])
    higher, equal = (true > noise) & there, (true == noise) & there
    return int(higher.sum()) + int(equal.sum()) / 2, int(there.sum())


def above_noise(batches: Iterable[Batch], scored: Callable[[Batch], Scored]) -> float:
    """How often a held-out true pair scores above a noise word drawn for the same position; chance is 0.5, which is
    also what equal scores give."""
    found = [share_above(scored(batch)) for batch in batches]
    return sum(higher for higher, _ in found) / max(sum(n for _, n in found), 1)


def is_word(text: str) -> bool:
    """Worth showing: letters, three at least or Chinese, and no stop word."""
    plain = text.strip().lower()
    return plain.isalpha() and (len(plain) > 2 or not plain.isascii()) and plain not in ENGLISH | CHINESE


def neighbour_samples(model: ModelAPI, counts: np.ndarray, source: UnitSource) -> list[dict[str, Any]]:
    """The most frequent words and, for each, those whose vectors make the smallest angles with its own."""
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
