"""Attention by any order of rule 1 (prefix, permutation, positions that only ask) in a compiled kernel that is told
which blocks of the score matrix hold anything (Dong et al. 2024), on a GPU."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from danlu.architectures.transformer.orders import Case
from danlu.architectures.transformer.relative import RelativePositions
from danlu.batch import Stream, to_device

BLOCK = 128
NARROWEST = 16
"""The narrowest head the kernel takes."""


def there(device: torch.device) -> bool:
    """Whether the kernel can be made for the device: triton does it."""
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


@functools.cache
def kernel() -> Callable[..., Tensor]:
    """Compiled once for the process."""
    return torch.compile(flex_attention)  # type: ignore[return-value]


def extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[T] -> the least and the greatest of each block, [blocks] each."""
    starts = np.arange(0, len(values), BLOCK)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def block_table(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """[blocks, blocks] booleans of a stream on the host: where a query of the row may see a key of the column, and
    where every one sees every one. The first holds every pair that is seen, and may hold blocks without any."""
    key, query = stream.key.numpy(), stream.query.numpy()
    sequence = np.repeat(np.arange(len(stream)), stream.lengths)
    (first, last), (key_least, key_most), (query_least, query_most) = map(extremes, (sequence, key, query))
    meet = (first[:, None] <= last) & (first <= last[:, None])
    some = meet & ((key_least <= query_most[:, None]) | np.eye(len(first), dtype=bool))
    one = (first == last) & (first[:, None] == first) & (last[:, None] == last)
    return some, one & (key_most <= query_least[:, None])


def listed(table: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """How many of each row are true, [1, 1, blocks], and which come first, [1, 1, blocks, blocks]."""
    counts, columns = table.sum(1), np.argsort(~table, axis=1, kind="stable")
    count, column = (to_device(torch.from_numpy(a.astype(np.int32))[None, None], device) for a in (counts, columns))
    return count, column


class Flex:
    """The rule as a function of two places, and the blocks in which it has to be asked."""

    def __init__(self, stream: Stream, case: Case):
        self.kernel = kernel()
        self.key, self.query, self.position = stream.key, stream.query, stream.inputs["position"]
        self.sequence = stream.sequence
        some, every = block_table(stream.host or stream)
        self.masks = {window: self.mask(window, some, every) for window in case.windows}

    @staticmethod
    def serves(case: Case) -> bool:
        """Orders that no plainer kernel takes."""
        special = case.order == "any" or (case.windowed and not case.steady)
        return special and not case.biased and case.head_width >= NARROWEST and case.dtype != torch.float64

    def rule(self, window: int | None) -> Callable[..., Tensor]:
        """Whether place i sees place j: rule 1, and the window."""
        key, query, sequence, position = self.key, self.query, self.sequence, self.position

        def sees(batch: Tensor, head: Tensor, i: Tensor, j: Tensor) -> Tensor:
            return (sequence[i] == sequence[j]) & ((key[j] <= query[i]) | (i == j))

        if window is None:
            return sees
        return lambda batch, head, i, j: sees(batch, head, i, j) & ((position[i] - position[j]).abs() <= window)

    def mask(self, window: int | None, some: np.ndarray, every: np.ndarray) -> BlockMask:
        """`some` and `every` are of the rule without the window, near whose edge not all is seen."""
        length, device = len(self.key), self.key.device
        every = every if window is None else np.zeros_like(every)
        return BlockMask.from_kv_blocks(
            *listed(some & ~every, device),
            *listed(every, device),
            BLOCK_SIZE=BLOCK,
            mask_mod=self.rule(window),
            seq_lengths=(length, length),
        )

    def biased(self, positions: RelativePositions) -> Tensor:
        raise ValueError("scores that something is added to are laid out in rows")

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        grouped = query.shape[1] != key.shape[1]
        return self.kernel(q, k, v, block_mask=self.masks[window], enable_gqa=grouped)[0].transpose(0, 1)
