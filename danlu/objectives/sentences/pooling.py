"""One vector for each of the two texts in a sequence: the mean of its hidden states."""

from __future__ import annotations

from torch import Tensor

from danlu.batch import Stream


def segment_pool(hidden: Tensor, stream: Stream) -> Tensor:
    """Mean over segment 0 and segment 1 of each sequence, by the input `segment`; 0 where a sequence has no such
    segment. [T, width] -> [N, 2, width]."""
    place = 2 * stream.sequence + stream.inputs["segment"]
    sums = hidden.new_zeros(2 * len(stream), hidden.shape[1]).index_add(0, place, hidden)
    counts = hidden.new_zeros(2 * len(stream)).index_add(0, place, hidden.new_ones(len(hidden)))
    return (sums / counts.clamp(min=1)[:, None]).unflatten(0, (-1, 2))
