"""torch's recurrent cells over ragged sequences, in batches of similar length.

On a CPU torch runs packed sequences one step at a time, which takes five to seven times as long as its fused cells on
sequences of one length. Sequences of similar length are therefore padded at their ends and run together; only the cells
see the padding, and no real position depends on it. A GPU has fused cells for packed sequences.

Shapes: T positions of a stream, N sequences of a stream, k sequences of a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architectures.packed_steps import packed_order, stepped
from danlu.batch import Stream

MAX_PADDED_RATIO = 2
"""The greatest number of steps of a group, padding included, per real step."""


@dataclass(frozen=True)
class Group:
    """k sequences of a stream as one batch. Padding repeats the last position of its sequence."""

    sequences: Tensor  # indices of the sequences, [k]
    at: Tensor  # position of the stream at each step, [longest, k]
    real: Tensor  # whether a step is no padding, [longest, k]
    mirrored: Tensor  # step at each place when sequences are reversed and padding stays in place, [longest, k]


def similar(lengths: Sequence[int]) -> list[list[int]]:
    """Group the indices of sequences, longest first, into groups as large as `MAX_PADDED_RATIO` allows."""
    groups: list[list[int]] = []
    longest = real = 0
    for k in sorted(range(len(lengths)), key=lambda k: -lengths[k]):
        if not groups or longest * (len(groups[-1]) + 1) > MAX_PADDED_RATIO * (real + lengths[k]):
            groups.append([])
            longest, real = lengths[k], 0
        groups[-1].append(k)
        real += lengths[k]
    return groups


def group_of(stream: Stream, sequences: list[int]) -> Group:
    """Build the batch of some sequences of a stream."""
    chosen, device = torch.tensor(sequences), stream.key.device
    lengths = torch.tensor([stream.lengths[k] for k in sequences])
    starts = torch.tensor([0, *stream.lengths]).cumsum(0)[chosen]
    step = torch.arange(int(lengths.max()))[:, None]
    real = step < lengths
    at, mirrored = starts + torch.minimum(step, lengths - 1), torch.where(real, lengths - 1 - step, step)
    return Group(*(t.to(device) for t in (chosen, at, real, mirrored)))


class Steps:
    """The batches in which cells run over a stream, built once for all layers."""

    def __init__(self, stream: Stream):
        self.packing = packed_order(stream) if stream.key.device.type == "cuda" else None
        self.groups = [] if self.packing else [group_of(stream, chosen) for chosen in similar(stream.lengths)]
        if self.groups:
            self.back = torch.argsort(torch.cat([group.at[group.real] for group in self.groups]))

    def __call__(self, cells: nn.RNNBase, x: Tensor, state: Any = None) -> Tensor:
        """Run cells over the stream, [T, width] -> [T, outputs].

        `state` is torch's state before the first step of each sequence, for unidirectional cells; None: zeros.
        """
        if self.packing:
            return stepped(cells, x, self.packing, state)[0]
        found = []
        for group in self.groups:
            rows = x.index_select(0, group.at.flatten()).unflatten(0, group.at.shape)
            if cells.bidirectional:
                made = both_ways(cells, rows, group.mirrored)
            else:
                made = cells(rows, of_sequences(state, group.sequences))[0]
            found.append(made[group.real])
        return torch.cat(found)[self.back]


def of_sequences(state: Any, chosen: Tensor) -> Any:
    """Select the sequences of a state, [layers, N, width] or two of them."""
    if state is None:
        return None
    return state[:, chosen] if isinstance(state, Tensor) else tuple(part[:, chosen] for part in state)


def both_ways(cells: nn.RNNBase, rows: Tensor, mirrored: Tensor) -> Tensor:
    """Run bidirectional cells on [longest, k, width]; the backward direction starts at the end of each sequence."""
    for layer in range(cells.num_layers):
        if layer and cells.dropout:
            rows = F.dropout(rows, cells.dropout, cells.training)
        ahead, back = (one_way(cells, given, f"_l{layer}{way}") for given, way in (
            (rows, ""), (reordered(rows, mirrored), "_reverse"),
        ))  # fmt: skip
        rows = torch.cat([ahead, reordered(back, mirrored)], -1)
    return rows


def reordered(rows: Tensor, order: Tensor) -> Tensor:
    """Reorder the steps of [longest, k, width], each sequence by its column of `order`."""
    return rows.gather(0, order[..., None].expand_as(rows))


def one_way(cells: nn.RNNBase, rows: Tensor, suffix: str) -> Tensor:
    """Run one layer in one direction with the weights of that suffix."""
    weights: dict[str, Tensor] = {
        name.removesuffix(suffix) + "_l0": p for name, p in cells.named_parameters() if name.endswith(suffix)
    }
    kind: Any = type(cells)
    single = kind(rows.shape[-1], cells.hidden_size, device="meta")
    return torch.func.functional_call(single, weights, (rows,))[0]
