"""Causal and full attention over a ragged stream as it lies: flash attention's kernel for sequences of any lengths (Dao
2023), in half precision on a GPU."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from danlu.architectures.transformer.orders import Case
from danlu.architectures.transformer.relative import RelativePositions
from danlu.batch import Stream, to_device

HALF = (torch.bfloat16, torch.float16)
OLDEST = (8, 0)
"""The compute capability of the oldest GPUs that have the kernel (Ampere)."""

WIDEST = 256
"""The widest head it takes."""


def there(device: torch.device) -> bool:
    """Whether the device has the kernel."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= OLDEST


@functools.cache
def kernel() -> Callable[..., Tensor]:
    """torch's; it brings the whole compiler along, so it is loaded where it will be used."""
    from torch.nn.attention.varlen import varlen_attn

    return varlen_attn  # type: ignore[return-value]


def rounded(n: int) -> int:
    """At least `n` and at most an eighth more, one of few numbers: a compiled step then meets few different ones."""
    step = max(1, (1 << n.bit_length()) // 16)
    return -(-n // step) * step


class Varlen:
    """No filler and no mask: the kernel is told where sequences begin."""

    def __init__(self, stream: Stream, case: Case):
        self.kernel, self.causal = kernel(), case.order == "causal"
        self.longest = rounded(max(stream.lengths))  # an upper bound is enough
        ends = torch.tensor((0, *stream.lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
        empty = ends[-1].repeat(rounded(len(stream)) - len(stream))
        self.offsets = to_device(torch.cat([ends, empty]), stream.key.device)

    @staticmethod
    def serves(case: Case) -> bool:
        """Its windows are counted in steps, ours in positions."""
        fits = case.dtype in HALF and case.head_width % 8 == 0 and case.head_width <= WIDEST
        return fits and not case.biased and case.order != "any" and (case.steady or not case.windowed)

    def reach(self, window: int | None) -> tuple[int, int]:
        """How many steps to the left and to the right a position sees, -1 for all."""
        left = -1 if window is None else window
        return left, 0 if self.causal else left

    def biased(self, positions: RelativePositions) -> Tensor:
        raise ValueError("scores that something is added to are laid out in rows")

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        return self.kernel(
            query, key, value, self.offsets, self.offsets, self.longest, self.longest,
            window_size=self.reach(window), enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
