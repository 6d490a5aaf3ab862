"""Floating-point operations, counted as the model runs a batch of the real data; no formula for one architecture."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from danlu.batch import Batch

BACKWARD = 2
"""A backward pass takes twice the products of a forward pass: by the weights and by the inputs (Kaplan et al. 2020)."""


def training_operations(forward: float) -> float:
    """Of a forward and a backward pass."""
    return (1 + BACKWARD) * forward


def attention_operations(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """Scores and their sum over values, [batch, heads, length, head width] each; all pairs, as the field counts them,
    though a causal kernel may skip half."""
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[2] * (width + value[3])


def lstm_operations(x: torch.Size, from_below: torch.Size, from_before: torch.Size, *_: Any, **__: Any) -> int:
    """One layer and direction of an LSTM on a CPU: both matrices at each step of x [..., width]."""
    return 2 * prod(x[:-1]) * (prod(from_below) + prod(from_before))


def cuda_recurrent_operations(x: torch.Size, weights: Sequence[torch.Size], *_: Any, **__: Any) -> int:
    """All layers of recurrent cells on a GPU: every matrix of theirs (biases have one dimension) at each step."""
    return 2 * prod(x[:-1]) * sum(prod(shape) for shape in weights if len(shape) == 2)


UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_operations,
    torch.ops.aten.mkldnn_rnn_layer: lstm_operations,
    torch.ops.aten._cudnn_rnn: cuda_recurrent_operations,
}
"""Products that torch's counter does not know."""


def forward_operations(model: nn.Module, batch: Batch) -> int:
    """Floating-point operations of products in one forward pass (a multiplication and an addition are two), attention
    included; what is done element by element is not counted."""
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        model(batch)
    return counter.get_total_flops()
