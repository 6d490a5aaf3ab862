"""Ragged sequences through torch's recurrent cells in whole passes.

On a CPU torch steps through packed sequences one operation at a time and takes five to seven times as long as its fused
cells do on sequences of one length. So sequences of similar lengths go together, filled up behind their ends, where
nothing real ever reads; only the cells see the filler. A GPU has fused cells for packed sequences.
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

AREA = 2
"""Steps of a group at most, filler included, for each real one."""


@dataclass(frozen=True)
class Group:
    """k sequences of a stream side by side. Fillers are shown their sequence's last position.

    sequences [k]: which they are; at [longest, k]: the position of the stream at each step; real [longest, k]: no
    filler; mirrored [longest, k]: which step comes at each when sequences are read from their ends, fillers in place.
    """

    sequences: Tensor
    at: Tensor
    real: Tensor
    mirrored: Tensor


def similar(lengths: Sequence[int]) -> list[list[int]]:
    """The numbers of sequences in groups, the longest first, each as large as `AREA` allows."""
    groups: list[list[int]] = []
    longest = real = 0
    for k in sorted(range(len(lengths)), key=lambda k: -lengths[k]):
        if not groups or longest * (len(groups[-1]) + 1) > AREA * (real + lengths[k]):
            groups.append([])
            longest, real = lengths[k], 0
        groups[-1].append(k)
        real += lengths[k]
    return groups


def side_by_side(stream: Stream, sequences: list[int]) -> Group:
    chosen, device = torch.tensor(sequences), stream.key.device
    lengths = torch.tensor([stream.lengths[k] for k in sequences])
    starts = torch.tensor([0, *stream.lengths]).cumsum(0)[chosen]
    step = torch.arange(int(lengths.max()))[:, None]
    real = step < lengths
    at, mirrored = starts + torch.minimum(step, lengths - 1), torch.where(real, lengths - 1 - step, step)
    return Group(*(t.to(device) for t in (chosen, at, real, mirrored)))


class Steps:
    """How cells step through a stream, made once for all layers."""

    def __init__(self, stream: Stream):
        self.packing = packed_order(stream) if stream.key.device.type == "cuda" else None
        self.groups = [] if self.packing else [side_by_side(stream, chosen) for chosen in similar(stream.lengths)]
        if self.groups:
            self.back = torch.argsort(torch.cat([group.at[group.real] for group in self.groups]))

    def __call__(self, cells: nn.RNNBase, x: Tensor, state: Any = None) -> Tensor:
        """[T, width] -> [T, outputs]. `state` is torch's before the first step of each sequence, for cells of one
        direction; None: zeros."""
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
    """The part of a state, [layers, N, width] or two of them, that belongs to the sequences."""
    if state is None:
        return None
    return state[:, chosen] if isinstance(state, Tensor) else tuple(part[:, chosen] for part in state)


def both_ways(cells: nn.RNNBase, rows: Tensor, mirrored: Tensor) -> Tensor:
    """Cells of two directions on [longest, k, width], layer after layer: what reads from the end begins at the end of
    each sequence, before its fillers."""
    for layer in range(cells.num_layers):
        if layer and cells.dropout:
            rows = F.dropout(rows, cells.dropout, cells.training)
        ahead, back = (one_way(cells, given, f"_l{layer}{way}") for given, way in (
            (rows, ""), (reordered(rows, mirrored), "_reverse"),
        ))  # fmt: skip
        rows = torch.cat([ahead, reordered(back, mirrored)], -1)
    return rows


def reordered(rows: Tensor, order: Tensor) -> Tensor:
    """[longest, k, width] with other steps at each step, each sequence by its column of `order`."""
    return rows.gather(0, order[..., None].expand_as(rows))


def one_way(cells: nn.RNNBase, rows: Tensor, suffix: str) -> Tensor:
    """One layer in one direction, by the weights of that suffix."""
    weights: dict[str, Tensor] = {
        name.removesuffix(suffix) + "_l0": p for name, p in cells.named_parameters() if name.endswith(suffix)
    }
    kind: Any = type(cells)
    single = kind(rows.shape[-1], cells.hidden_size, device="meta")
    return torch.func.functional_call(single, weights, (rows,))[0]
