"""PyTorch's recurrent cells over ragged sequences, in groups of similar length.

On a CPU, PyTorch runs packed sequences one step at a time, which takes five to seven times as long as its fused kernels
for sequences of equal length. Therefore sequences of similar length are padded at the end and run as one batch. No real
position depends on the padding. On a GPU, PyTorch has fused kernels for packed sequences.

Shapes: T positions of a stream, N sequences of a stream, k sequences of a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architectures.packed_steps import packed_order, run_packed
from danlu.batch import Stream

MAX_PADDED_RATIO = 2
"""Maximum ratio of all steps of a group, padding included, to its real steps."""


@dataclass(frozen=True)
class Group:
    """k sequences of a stream as one batch. Padding repeats the last position of its sequence."""

    sequences: Tensor  # indices of the sequences, [k]
    at: Tensor  # index in the stream of each step, [longest, k]
    real: Tensor  # whether a step is not padding, [longest, k]
    mirrored: Tensor  # steps in the order of reversed sequences, with padding still at the end, [longest, k]


def group_by_length(lengths: Sequence[int]) -> list[list[int]]:
    """Partition the indices of sequences, longest first, into groups as large as `MAX_PADDED_RATIO` allows."""
    groups: list[list[int]] = []
    longest = real = 0
    for k in sorted(range(len(lengths)), key=lambda k: -lengths[k]):
        if not groups or longest * (len(groups[-1]) + 1) > MAX_PADDED_RATIO * (real + lengths[k]):
            groups.append([])
            longest, real = lengths[k], 0
        groups[-1].append(k)
        real += lengths[k]
    return groups


def build_group(stream: Stream, sequences: list[int]) -> Group:
    """Build the group of the given sequences of a stream."""
    indices, device = torch.tensor(sequences), stream.key.device
    lengths = torch.tensor([stream.lengths[k] for k in sequences])
    starts = torch.tensor([0, *stream.lengths]).cumsum(0)[indices]
    step = torch.arange(int(lengths.max()))[:, None]
    real = step < lengths
    at, mirrored = starts + torch.minimum(step, lengths - 1), torch.where(real, lengths - 1 - step, step)
    return Group(*(t.to(device) for t in (indices, at, real, mirrored)))


class CellRunner:
    """Runs recurrent cells over a stream. The groups are built once and shared by all layers."""

    def __init__(self, stream: Stream):
        self.packing = packed_order(stream) if stream.key.device.type == "cuda" else None
        self.groups = [] if self.packing else [build_group(stream, group) for group in group_by_length(stream.lengths)]
        if self.groups:
            self.inverse = torch.argsort(torch.cat([group.at[group.real] for group in self.groups]))

    def __call__(self, cells: nn.RNNBase, x: Tensor, state: Any = None) -> Tensor:
        """Run cells over the stream, [T, width] -> [T, outputs].

        Args:
            cells: the recurrent layers.
            x: inputs [T, width].
            state: PyTorch's initial state of each sequence, for unidirectional cells; None: zeros.
        """
        if self.packing:
            return run_packed(cells, x, self.packing, state)[0]
        outputs = []
        for group in self.groups:
            steps = x.index_select(0, group.at.flatten()).unflatten(0, group.at.shape)
            if cells.bidirectional:
                output = run_bidirectional(cells, steps, group.mirrored)
            else:
                output = cells(steps, select_sequences(state, group.sequences))[0]
            outputs.append(output[group.real])
        return torch.cat(outputs)[self.inverse]


def select_sequences(state: Any, sequences: Tensor) -> Any:
    """Select sequences of PyTorch's state, which is a tensor [layers, N, width], a tuple of two, or None."""
    if state is None:
        return None
    return state[:, sequences] if isinstance(state, Tensor) else tuple(part[:, sequences] for part in state)


def run_bidirectional(cells: nn.RNNBase, steps: Tensor, mirrored: Tensor) -> Tensor:
    """Run bidirectional cells on steps [longest, k, width]; the backward pass starts at the last real step."""
    for layer in range(cells.num_layers):
        if layer and cells.dropout:
            steps = F.dropout(steps, cells.dropout, cells.training)
        forward = run_direction(cells, steps, f"_l{layer}")
        backward = run_direction(cells, reorder_steps(steps, mirrored), f"_l{layer}_reverse")
        steps = torch.cat([forward, reorder_steps(backward, mirrored)], -1)
    return steps


def reorder_steps(steps: Tensor, order: Tensor) -> Tensor:
    """Reorder steps [longest, k, width] by `order` [longest, k], each sequence by its column."""
    return steps.gather(0, order[..., None].expand_as(steps))


def run_direction(cells: nn.RNNBase, steps: Tensor, suffix: str) -> Tensor:
    """Run one layer in one direction, with the weights whose names end in `suffix`, on steps [longest, k, width]."""
    weights: dict[str, Tensor] = {
        name.removesuffix(suffix) + "_l0": p for name, p in cells.named_parameters() if name.endswith(suffix)
    }
    kind: Any = type(cells)
    single = kind(steps.shape[-1], cells.hidden_size, device="meta")
    return torch.func.functional_call(single, weights, (steps,))[0]
