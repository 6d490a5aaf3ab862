"""Ragged sequences through torch's recurrent cells, step after step and without a padded one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from danlu.waist import Stream


def packed_order(stream: Stream) -> tuple[Tensor, Tensor, Tensor]:
    """How torch wants ragged sequences: step after step, at each step the longest sequence first.

    Returns which position of the stream comes k-th [T], how many sequences each step still has [longest] (on the CPU,
    as torch asks), and the sequences by falling length [N].
    """
    lengths = torch.tensor(stream.lengths)
    by_length = torch.argsort(lengths, descending=True, stable=True)
    rank = torch.empty_like(by_length)
    rank[by_length] = torch.arange(len(lengths))
    step = torch.cat([torch.arange(n) for n in stream.lengths])
    order = torch.argsort(step * len(lengths) + rank.repeat_interleave(lengths))
    return order, torch.bincount(step), by_length


def run_packed(cells: nn.RNNBase, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
    """[T, width] -> [T, width] over at least one sequence; `state` is torch's, [layers, N, width] for each of the N
    sequences of the stream, None for zeros."""
    order, sizes, by_length = (t.to(x.device) for t in packed_order(stream))
    unsorted = torch.argsort(by_length)
    out, state = cells(PackedSequence(x[order], sizes.cpu(), by_length, unsorted), state)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=x.device)
    return out.data[back], state
