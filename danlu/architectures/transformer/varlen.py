"""Causal and full attention over a ragged stream without padding: FlashAttention's variable-length kernel (Dao 2023).

The kernel runs in half precision on a GPU.

Shapes: T positions of a stream, d the width of a head.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from danlu.architectures.transformer.orders import Case
from danlu.architectures.transformer.relative import RelativePositions
from danlu.batch import Stream, to_device

HALF = (torch.bfloat16, torch.float16)
MIN_CAPABILITY = (8, 0)
"""Minimum compute capability that the kernel supports (Ampere)."""

MAX_HEAD_DIM = 256
"""Maximum head width that the kernel supports."""


def available(device: torch.device) -> bool:
    """Whether the device supports the kernel."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= MIN_CAPABILITY


@functools.cache
def kernel() -> Callable[..., Tensor]:
    """Import PyTorch's kernel on first use, since this also imports the slow compiler."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn  # type: ignore[return-value]


def round_up(n: int) -> int:
    """Round up by at most an eighth, so that compiled code sees few different sizes."""
    step = max(1, (1 << n.bit_length()) // 16)
    return -(-n // step) * step


class Varlen:
    """Attention by the variable-length kernel, which takes the offsets of the sequences instead of a mask."""

    def __init__(self, stream: Stream, case: Case):
        self.kernel, self.causal = kernel(), case.order == "causal"
        self.longest = round_up(max(stream.lengths))  # an upper bound is enough
        ends = torch.tensor((0, *stream.lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
        empty = ends[-1].repeat(round_up(len(stream)) - len(stream))
        self.offsets = to_device(torch.cat([ends, empty]), stream.key.device)

    @staticmethod
    def supports(case: Case) -> bool:
        # the kernel measures windows in indices, whose differences equal distances only if positions are consecutive
        fits = case.dtype in HALF and case.head_dim % 8 == 0 and case.head_dim <= MAX_HEAD_DIM
        return fits and not case.biased and case.order != "any" and (case.consecutive or not case.windowed)

    def window_size(self, window: int | None) -> tuple[int, int]:
        """Return the numbers of positions to the left and right that a position attends to; -1 for all."""
        left = -1 if window is None else window
        return left, 0 if self.causal else left

    def score_bias(self, positions: RelativePositions) -> Tensor:
        raise ValueError("this layout does not support a bias of the scores")

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        return self.kernel(
            query, key, value, self.offsets, self.offsets, self.longest, self.longest,
            window_size=self.window_size(window), enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
