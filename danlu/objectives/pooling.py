"""One vector for a sequence: the mean of its hidden states."""

from __future__ import annotations

from torch import Tensor

from danlu.waist import Stream


def mean_pool(hidden: Tensor, stream: Stream) -> Tensor:
    """Mean over each sequence: [T, width] -> [N, width]."""
    sums = hidden.new_zeros(len(stream), hidden.shape[1]).index_add(0, stream.sequence, hidden)
    return sums / stream.offsets.diff().to(hidden.dtype)[:, None]
