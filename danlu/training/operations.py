"""Counting of floating-point operations while the model processes a batch of real data."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from danlu.batch import Batch

BACKWARD = 2
"""Operations of a backward pass relative to a forward pass: gradients of weights and of inputs (Kaplan et al. 2020)."""


def training_operations(forward: float) -> float:
    """Return the operations of a forward and a backward pass."""
    return (1 + BACKWARD) * forward


def attention_operations(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **__: Any) -> int:
    """Count the operations of attention from the shapes [batch, heads, length, head width] of its inputs.

    As usual, masked pairs are counted too, although a causal kernel may skip them.
    """
    batch, heads, length, width = query
    return 2 * batch * heads * length * key[2] * (width + value[3])


def lstm_operations(x: torch.Size, input_weight: torch.Size, hidden_weight: torch.Size, *_: Any, **__: Any) -> int:
    """Count the operations of one LSTM layer and direction on a CPU: two matrix products per step of x [..., width]."""
    return 2 * prod(x[:-1]) * (prod(input_weight) + prod(hidden_weight))


def cuda_recurrent_operations(x: torch.Size, weights: Sequence[torch.Size], *_: Any, **__: Any) -> int:
    """Count the operations of all recurrent layers on a GPU: one product per step for each weight matrix."""
    return 2 * prod(x[:-1]) * sum(prod(shape) for shape in weights if len(shape) == 2)


EXTRA_OPERATORS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: attention_operations,
    torch.ops.aten.mkldnn_rnn_layer: lstm_operations,
    torch.ops.aten._cudnn_rnn: cuda_recurrent_operations,
}
"""Operators that PyTorch's counter does not support, with functions that count their operations."""


def forward_operations(model: nn.Module, batch: Batch) -> int:
    """Return the floating-point operations of the matrix products of one forward pass, including attention.

    A multiply-add counts as two operations. Elementwise operations are not counted.
    """
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=EXTRA_OPERATORS) as counter:
        model(batch)
    return counter.get_total_flops()
