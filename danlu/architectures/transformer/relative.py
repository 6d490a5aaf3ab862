"""Relative positions: a learned bias for each head and bucket of distances, added to the scores (Raffel et al. 2020).

Shapes: L queries, M keys.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def bucket_of(distance: Tensor, num_buckets: int, max_distance: int, bidirectional: bool) -> Tensor:
    """Return the bucket of each distance (key position minus query position), [...] int64 -> [...] int64.

    Half of the buckets hold one distance each. The width of the others grows with the logarithm of the distance up to
    `max_distance`; all greater distances are in the last bucket.

    Args:
        distance: key position minus query position.
        num_buckets: number of buckets.
        max_distance: distances from this one on share the last bucket.
        bidirectional: whether keys after the query have half of the buckets; otherwise they share bucket 0.
    """
    side = 0
    if bidirectional:
        num_buckets //= 2
        side = (distance > 0).to(torch.int64) * num_buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = num_buckets // 2
    # in float32, as in transformers, since rounding decides between two buckets
    share = torch.log(distance.clamp(min=1).float() / exact) / math.log(max_distance / exact)
    logarithmic = (exact + (share * (num_buckets - exact)).to(torch.int64)).clamp(max=num_buckets - 1)
    return side + torch.where(distance < exact, distance, logarithmic)


class RelativePositions(nn.Module):
    """Relative position biases of a stack of layers, which share them.

    A causal decoder has no buckets for keys after the query (`bidirectional` is False).
    """

    def __init__(self, num_buckets: int, max_distance: int, heads: int, bidirectional: bool):
        super().__init__()
        self.table = nn.Embedding(num_buckets, heads)
        self.max_distance, self.bidirectional = max_distance, bidirectional
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Return the bias [..., heads, L, M] of the scores from positions [..., L] and [..., M]."""
        distance = key[..., None, :] - query[..., :, None]
        bucket = bucket_of(distance, self.table.num_embeddings, self.max_distance, self.bidirectional)
        return self.table(bucket).movedim(-1, -3)
