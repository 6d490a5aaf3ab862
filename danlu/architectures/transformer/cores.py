"""softmax(queries keys^T) values, by the kernel that is fastest where it runs; both give the same numbers.

torch's fused kernel keeps no scores. On a CPU it is the slower one for short rows: forward and backward of 2,048
positions in rows of 256, four heads of 64, took 11.4 ms in bfloat16 against 3.8 ms for plain products, 11.5 against
8.9 ms in float32, and about the same from rows of 1,024 on in float32 (docs/decisions/0010).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SHORT = 512
"""The longest row for which a CPU takes plain products."""


def plain_pays(device: torch.device, length: int) -> bool:
    return device.type == "cpu" and length <= SHORT


def as_bias(seen: Tensor) -> Tensor:
    """What is added to scores: 0 where `seen`, else minus infinity."""
    return torch.zeros(seen.shape, device=seen.device).masked_fill(~seen, float("-inf"))


def plain(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """query [B, heads, L, d], key and value [B, kv_heads, M, d], bias broadcast to [B, 1 or heads, L, M] ->
    [B, heads, L, d].

    Scores are widened to float32 for the softmax.
    """
    _, heads, length, width = query.shape
    group = heads // key.shape[1]
    query = query * width**-0.5
    if group > 1:
        query = query.unflatten(1, (-1, group)).flatten(2, 3)
    scores = query @ key.transpose(-1, -2)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    if bias is not None and group > 1:
        by_group = bias.unsqueeze(-3) if bias.dim() < 4 or bias.shape[-3] == 1 else bias.unflatten(-3, (-1, group))
        scores = (scores.unflatten(2, (group, length)) + by_group).flatten(2, 3)
    elif bias is not None:
        scores = scores + bias
    out = scores.softmax(-1).to(value.dtype) @ value
    return out.unflatten(2, (group, length)).flatten(1, 2) if group > 1 else out


def fused(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None, causal: bool = False) -> Tensor:
    """The same by torch's kernel; `seen` booleans, or a bias, broadcast to [B, 1 or heads, L, M]."""
    seen = seen.to(query.dtype) if seen is not None and seen.is_floating_point() else seen
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=seen, is_causal=causal, enable_gqa=grouped)


def attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor, bias: Tensor | None = None) -> Tensor:
    """Whichever pays, for a mask [L, M] that is used once; `bias` [heads, L, M] is added to the scores."""
    if bias is not None:
        bias = bias.masked_fill(~seen, float("-inf"))[None]
        return (plain if plain_pays(query.device, key.shape[2]) else fused)(query, key, value, bias)
    if plain_pays(query.device, key.shape[2]):
        return plain(query, key, value, as_bias(seen))
    return fused(query, key, value, seen)
