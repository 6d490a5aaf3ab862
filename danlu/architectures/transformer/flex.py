"""Attention in any order (prefix, permutation, hidden keys) by FlexAttention (Dong et al. 2024) on a GPU.

The compiled kernel skips blocks of the score matrix that are entirely masked.

Shapes: T positions of a stream, d the width of a head.
"""

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
"""Positions along each side of a block."""

MIN_HEAD_DIM = 16
"""Minimum head width that the kernel supports."""


def available(device: torch.device) -> bool:
    """Whether the kernel can be compiled for the device; this requires Triton."""
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


@functools.cache
def kernel() -> Callable[..., Tensor]:
    """Return the compiled kernel; it is compiled once per process."""
    return torch.compile(flex_attention)  # type: ignore[return-value]


def block_extremes(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and maximum of values [T] in each block, [blocks] each."""
    starts = np.arange(0, len(values), BLOCK)
    return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)


def block_table(stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Return two tables of booleans [blocks of queries, blocks of keys] of a stream on the CPU.

    The first is true where some query may attend to some key: no such block is missing, but the table may contain
    others. The second is true only where every query attends to every key.
    """
    key, query = stream.key.numpy(), stream.query.numpy()
    sequence = np.repeat(np.arange(len(stream)), stream.lengths)
    (first, last), (key_min, key_max), (query_min, query_max) = map(block_extremes, (sequence, key, query))
    overlap = (first[:, None] <= last) & (first <= last[:, None])
    nonempty = overlap & ((key_min <= query_max[:, None]) | np.eye(len(first), dtype=bool))
    one_sequence = (first == last) & (first[:, None] == first) & (last[:, None] == last)
    return nonempty, one_sequence & (key_max <= query_min[:, None])


def block_indices(table: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the number of true columns of each row, [1, 1, rows], and the columns with true ones first, [1, 1, rows,
    columns]."""
    counts, columns = table.sum(1), np.argsort(~table, axis=1, kind="stable")
    count, column = (to_device(torch.from_numpy(a.astype(np.int32))[None, None], device) for a in (counts, columns))
    return count, column


class Flex:
    """Attention by FlexAttention: rule 1 as a function of two indices, and the blocks in which it is evaluated."""

    def __init__(self, stream: Stream, case: Case):
        self.kernel = kernel()
        self.key, self.query, self.position = stream.key, stream.query, stream.inputs["position"]
        self.sequence = stream.sequence
        nonempty, full = block_table(stream.host or stream)
        self.masks = {window: self.mask(window, nonempty, full) for window in case.windows}

    @staticmethod
    def supports(case: Case) -> bool:
        # only orders that no simpler kernel supports
        special = case.order == "any" or (case.windowed and not case.consecutive)
        return special and not case.biased and case.head_dim >= MIN_HEAD_DIM and case.dtype != torch.float64

    def rule(self, window: int | None) -> Callable[..., Tensor]:
        """Return the mask function of rule 1 and the window, with the signature that FlexAttention expects."""
        key, query, sequence, position = self.key, self.query, self.sequence, self.position

        def attends(batch: Tensor, head: Tensor, i: Tensor, j: Tensor) -> Tensor:
            return (sequence[i] == sequence[j]) & ((key[j] <= query[i]) | (i == j))

        if window is None:
            return attends
        return lambda batch, head, i, j: attends(batch, head, i, j) & ((position[i] - position[j]).abs() <= window)

    def mask(self, window: int | None, nonempty: np.ndarray, full: np.ndarray) -> BlockMask:
        """Return the block mask of a window, given the tables of `block_table`, which ignore windows.

        With a window, the mask function is evaluated in every non-empty block.
        """
        length, device = len(self.key), self.key.device
        full = full if window is None else np.zeros_like(full)
        return BlockMask.from_kv_blocks(
            *block_indices(nonempty & ~full, device),
            *block_indices(full, device),
            BLOCK_SIZE=BLOCK,
            mask_mod=self.rule(window),
            seq_lengths=(length, length),
        )

    def score_bias(self, positions: RelativePositions) -> Tensor:
        raise ValueError("this layout does not support a bias of the scores")

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        grouped = query.shape[1] != key.shape[1]
        return self.kernel(q, k, v, block_mask=self.masks[window], enable_gqa=grouped)[0].transpose(0, 1)
