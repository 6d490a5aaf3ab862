"""PyTorch's recurrent cells over ragged sequences, as packed sequences without padding.

Shapes: T positions of a stream, N sequences of a stream.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from danlu.batch import Stream, to_device


def packed_order(stream: Stream) -> tuple[Tensor, Tensor, Tensor]:
    """Return the order of PyTorch's packed sequences: by step, and within a step by decreasing length of the sequence.

    Returns:
        The positions of the stream in packed order [T], the number of sequences at each step [longest] (on the CPU, as
        PyTorch requires), and the sequences by decreasing length [N].
    """
    lengths = torch.tensor(stream.lengths)
    by_length = torch.argsort(lengths, descending=True, stable=True)
    rank = torch.empty_like(by_length)
    rank[by_length] = torch.arange(len(lengths))
    step = torch.cat([torch.arange(n) for n in stream.lengths])
    order = torch.argsort(step * len(lengths) + rank.repeat_interleave(lengths))
    return order, torch.bincount(step), by_length


def convert_state(state: Any, dtype: torch.dtype) -> Any:
    """Convert PyTorch's state of recurrent cells, which is a tensor, a tuple of two, or None, to a dtype."""
    if isinstance(state, tuple):
        return tuple(part.to(dtype) for part in state)
    return None if state is None else state.to(dtype)


def run_packed(cells: nn.RNNBase, x: Tensor, packing: tuple[Tensor, Tensor, Tensor], state: Any) -> tuple[Tensor, Any]:
    """Run recurrent cells over a stream.

    Args:
        cells: the recurrent layers.
        x: inputs [T, width].
        packing: the result of `packed_order`.
        state: PyTorch's initial state of each sequence; None: zeros.

    Returns:
        The outputs [T, outputs], and PyTorch's state after each sequence.
    """
    order, sizes, by_length = packing
    inverse, unsorted = torch.argsort(order), torch.argsort(by_length)
    order, inverse, by_length, unsorted = (to_device(t, x.device) for t in (order, inverse, by_length, unsorted))
    steps = PackedSequence(x[order], sizes, by_length, unsorted)
    if x.is_cuda:  # autocast runs recurrent cells in float16 whatever its dtype, and small gradients underflow
        dtype = next(cells.parameters()).dtype
        with torch.autocast("cuda", enabled=False):
            out, state = cells(PackedSequence(steps.data.to(dtype), *steps[1:]), convert_state(state, dtype))
    else:
        out, state = cells(steps, state)
    return out.data[inverse], state
