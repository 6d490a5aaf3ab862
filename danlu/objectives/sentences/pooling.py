"""Mean pooling of the two texts in a sequence."""

from __future__ import annotations

from torch import Tensor

from danlu.batch import Stream


def segment_pool(hidden: Tensor, stream: Stream) -> Tensor:
    """Average the hidden states [T, width] over segments 0 and 1 of each of N sequences: [N, 2, width].

    The input `segment` of the stream gives the segment of each position. A segment without positions has the mean 0.
    """
    place = 2 * stream.sequence + stream.inputs["segment"]
    sums = hidden.new_zeros(2 * len(stream), hidden.shape[1]).index_add(0, place, hidden)
    counts = hidden.new_zeros(2 * len(stream)).index_add(0, place, hidden.new_ones(len(hidden)))
    return (sums / counts.clamp(min=1)[:, None]).unflatten(0, (-1, 2))
