"""torch's recurrent cells over ragged sequences, as packed sequences without padding.

Shapes: T positions of a stream, N sequences of a stream.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from danlu.batch import Stream, to_device


def packed_order(stream: Stream) -> tuple[Tensor, Tensor, Tensor]:
    """Return the order of torch's packed sequences: step by step, and within a step the longest sequence first.

    Returns:
        The position of the stream at each place [T], the number of sequences at each step [longest] (on the CPU, as
        torch requires), and the sequences by decreasing length [N].
    """
    lengths = torch.tensor(stream.lengths)
    by_length = torch.argsort(lengths, descending=True, stable=True)
    rank = torch.empty_like(by_length)
    rank[by_length] = torch.arange(len(lengths))
    step = torch.cat([torch.arange(n) for n in stream.lengths])
    order = torch.argsort(step * len(lengths) + rank.repeat_interleave(lengths))
    return order, torch.bincount(step), by_length


def in_dtype(state: Any, dtype: torch.dtype) -> Any:
    """Convert torch's state of cells, which is a tensor, two or None."""
    if isinstance(state, tuple):
        return tuple(part.to(dtype) for part in state)
    return None if state is None else state.to(dtype)


def stepped(cells: nn.RNNBase, x: Tensor, packing: tuple[Tensor, Tensor, Tensor], state: Any) -> tuple[Tensor, Any]:
    """Run cells over a stream; `packing` is its `packed_order`.

    Returns:
        The outputs [T, outputs], and torch's state after each sequence.
    """
    order, sizes, by_length = packing
    back, unsorted = torch.argsort(order), torch.argsort(by_length)
    order, back, by_length, unsorted = (to_device(t, x.device) for t in (order, back, by_length, unsorted))
    steps = PackedSequence(x[order], sizes, by_length, unsorted)
    if x.is_cuda:  # autocast would run cells in float16, where small gradients are lost, whatever its dtype
        dtype = next(cells.parameters()).dtype
        with torch.autocast("cuda", enabled=False):
            out, state = cells(PackedSequence(steps.data.to(dtype), *steps[1:]), in_dtype(state, dtype))
    else:
        out, state = cells(steps, state)
    return out.data[back], state
