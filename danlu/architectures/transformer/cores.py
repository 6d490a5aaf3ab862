"""Scaled dot-product attention with the faster of two equivalent implementations.

PyTorch's fused kernel does not store the scores. On a CPU it is slower for short rows: forward and backward passes of
2,048 positions in rows of 256, with four heads of 64, took 11.4 ms in bfloat16 compared with 3.8 ms for plain matrix
products, 11.5 compared with 8.9 ms in float32, and about the same for rows of 1,024 or more in float32
(docs/decisions/0010).

Shapes: B rows, L queries, M keys, d the width of a head.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

MAX_PLAIN_LENGTH = 512
"""The longest row for which plain matrix products are used on a CPU."""


def prefer_plain(device: torch.device, length: int) -> bool:
    """Whether plain matrix products are faster than the fused kernel."""
    return device.type == "cpu" and length <= MAX_PLAIN_LENGTH


def as_bias(mask: Tensor) -> Tensor:
    """Convert a boolean mask to an attention bias: 0 where true, minus infinity elsewhere."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, float("-inf"))


def plain_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None) -> Tensor:
    """Compute attention with matrix products, with the softmax in float32 or wider.

    Args:
        query: [B, heads, L, d].
        key: [B, kv_heads, M, d].
        value: [B, kv_heads, M, d].
        bias: added to the scores, broadcast to [B, 1 or heads, L, M].

    Returns:
        [B, heads, L, d].
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


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool = False) -> Tensor:
    """Compute attention with PyTorch's fused kernel.

    Args:
        query: [B, heads, L, d].
        key: [B, kv_heads, M, d].
        value: [B, kv_heads, M, d].
        mask: booleans, or a bias that is added to the scores; broadcast to [B, 1 or heads, L, M].
        causal: whether query i attends to keys 0 to i; then `mask` must be None.

    Returns:
        [B, heads, L, d].
    """
    mask = mask.to(query.dtype) if mask is not None and mask.is_floating_point() else mask
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal, enable_gqa=grouped)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, bias: Tensor | None = None) -> Tensor:
    """Compute attention with the faster implementation.

    Args:
        query: [B, heads, L, d].
        key: [B, kv_heads, M, d].
        value: [B, kv_heads, M, d].
        mask: booleans [L, M].
        bias: added to the scores, [heads, L, M].

    Returns:
        [B, heads, L, d].
    """
    if bias is not None:
        bias = bias.masked_fill(~mask, float("-inf"))[None]
        return (plain_attention if prefer_plain(query.device, key.shape[2]) else fused_attention)(
            query, key, value, bias
        )
    if prefer_plain(query.device, key.shape[2]):
        return plain_attention(query, key, value, as_bias(mask))
    return fused_attention(query, key, value, mask)
