"""Mean pooling of the two segments of a sequence.

Shapes: T positions and N sequences of a stream.
"""

from __future__ import annotations

from torch import Tensor

from danlu.batch import Stream


def segment_pool(hidden: Tensor, stream: Stream) -> Tensor:
    """Average hidden states [T, width] over segments 0 and 1 of each sequence: [N, 2, width].

    The input `segment` of the stream is the segment of each position. A segment without positions has the mean 0.
    """
    index = 2 * stream.sequence + stream.inputs["segment"]
    sums = hidden.new_zeros(2 * len(stream), hidden.shape[1]).index_add(0, index, hidden)
    counts = hidden.new_zeros(2 * len(stream)).index_add(0, index, hidden.new_ones(len(hidden)))
    return (sums / counts.clamp(min=1)[:, None]).unflatten(0, (-1, 2))
