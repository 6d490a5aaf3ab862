"""Relative positions in buckets: a number for each head and distance, added to the scores (Raffel et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def bucket_of(distance: Tensor, buckets: int, farthest: int, both: bool) -> Tensor:
    """The bucket of each key position minus query position, [...] int64 -> [...] int64.

    Half of the buckets are for one distance each, the others widen with its logarithm up to `farthest`; all beyond are
    in the last. both: keys behind the query have half of all buckets to themselves; without it they share bucket 0.
    """
    side = 0
    if both:
        buckets //= 2
        side = (distance > 0).to(torch.int64) * buckets
        distance = distance.abs()
    else:
        distance = (-distance).clamp(min=0)
    exact = buckets // 2
    share = torch.log(distance.clamp(min=1).float() / exact) / math.log(farthest / exact)  # float32 as transformers
    wide = (exact + (share * (buckets - exact)).to(torch.int64)).clamp(max=buckets - 1)
    return side + torch.where(distance < exact, distance, wide)


class RelativePositions(nn.Module):
    """The table of one stack, shared by its layers.

    both: for attention that looks to both sides; a decoder's needs none for what follows.
    """

    def __init__(self, buckets: int, farthest: int, heads: int, both: bool):
        super().__init__()
        self.table = nn.Embedding(buckets, heads)
        self.farthest, self.both = farthest, both
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Positions [..., L] and [..., M] -> what is added to the scores, [..., heads, L, M]."""
        distance = key[..., None, :] - query[..., :, None]
        found = bucket_of(distance, self.table.num_embeddings, self.farthest, self.both)
        return self.table(found).movedim(-1, -3)
