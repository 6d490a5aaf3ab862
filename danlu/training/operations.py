"""Floating-point operations, counted while the model processes a batch of real data."""

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
    """Return the operations of a forward and a backward pass."""
    return (1 + BACKWARD) * forward


def attention_operations(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """Count the scores and the weighted sum of values, [batch, heads, length, head width] each.

    All pairs count, as is usual, although a causal kernel may skip half of them.
    """
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[2] * (width + value[3])


def lstm_operations(x: torch.Size, from_below: torch.Size, from_before: torch.Size, *_: Any, **__: Any) -> int:
    """Count one layer and direction of an LSTM on a CPU: two matrices at each step of x [..., width]."""
    return 2 * prod(x[:-1]) * (prod(from_below) + prod(from_before))


def cuda_recurrent_operations(x: torch.Size, weights: Sequence[torch.Size], *_: Any, **__: Any) -> int:
    """Count all layers of recurrent cells on a GPU: every matrix (biases have one dimension) at each step."""
    return 2 * prod(x[:-1]) * sum(prod(shape) for shape in weights if len(shape) == 2)


UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_operations,
    torch.ops.aten.mkldnn_rnn_layer: lstm_operations,
    torch.ops.aten._cudnn_rnn: cuda_recurrent_operations,
}
"""Operators that torch's counter does not know."""


def forward_operations(model: nn.Module, batch: Batch) -> int:
    """Return the floating-point operations of the matrix products of one forward pass, including attention.

    A multiplication and an addition are two operations. Elementwise operations are not counted.
    """
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
        model(batch)
    return counter.get_total_flops()
