"""The mixers of a hybrid: attention, recurrence and convolution behind one interface.

A mixer maps [T, width] to [T, width], either over a whole stream (`StreamView`) or over new positions with a state
(`ExtensionView`). Both views are built once per stream and shared by all layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architectures.convolutional import JoinedPositions, gather_neighbours, join_positions, neighbours
from danlu.architectures.length_groups import CellRunner
from danlu.architectures.packed_steps import packed_order, run_packed
from danlu.architectures.recurrent import CELLS, open_forget_gates
from danlu.architectures.transformer.attention import Attention, Past, extension_mask
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.norms import RMSNorm
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.positions import rotary_angles
from danlu.batch import Stream


@dataclass
class Sizes:
    """The settings of the mixers."""

    width: int  # width of the hidden states
    heads: int  # number of query heads
    kv_heads: int  # number of key and value heads
    head_dim: int  # width of each head
    qk_norm: bool  # whether queries and keys of each head are normalised
    theta: float  # base of the rotary angles
    cell: str  # recurrent cell
    causal: bool  # whether recurrence and convolution are causal
    offsets: tuple[int, ...]  # offsets of a kernel's positions from the current one


@dataclass
class StreamView:
    """What the mixers derive from a whole stream."""

    layout: Layout  # for attention
    angles: tuple[Tensor, Tensor]  # rotary angles for attention
    cell_runner: CellRunner  # for recurrent cells
    neighbours: Tensor  # for convolutions: indices of the positions under the kernel, [T, kernel]


@dataclass
class ExtensionView:
    """What the mixers derive from the new positions in incremental decoding."""

    mask: Tensor  # for attention: booleans [new, past + new]
    angles: tuple[Tensor, Tensor]  # rotary angles for attention
    packing: tuple[Tensor, Tensor, Tensor]  # for recurrent cells: the result of `packed_order`
    positions: JoinedPositions  # for convolutions


def build_stream_view(x: Tensor, stream: Stream, sizes: Sizes) -> StreamView:
    """Build the view of a stream with hidden states x [T, width]."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_dim, sizes.theta)
    layout = layout_of(stream, head_dim=sizes.head_dim, dtype=product_dtype(x))
    return StreamView(layout, angles, CellRunner(stream), neighbours(stream.sequence, sizes.offsets))


def build_extension_view(stream: Stream, past: Past, cached: Tensor, sizes: Sizes) -> ExtensionView:
    """Build the view of new positions; `cached` is the sequence of each position in the cache of convolutions."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_dim, sizes.theta)
    positions = join_positions(cached, stream.sequence, sizes.offsets)
    return ExtensionView(extension_mask(stream, past), angles, packed_order(stream), positions)


class Mixer(Protocol):
    """A layer that exchanges information between positions."""

    out: nn.Linear
    """The last linear layer, initialised to zero so that the layer starts as the identity."""

    def __call__(self, x: Tensor, view: StreamView) -> Tensor: ...
    def extend(self, x: Tensor, view: ExtensionView, state: Any) -> tuple[Tensor, Any]: ...


class AttentionMixer(Attention):
    """Attention with rotary positions."""

    def __init__(self, sizes: Sizes):
        norms = (RMSNorm(sizes.head_dim, eps=1e-6), RMSNorm(sizes.head_dim, eps=1e-6)) if sizes.qk_norm else None
        super().__init__(sizes.width, sizes.heads, sizes.kv_heads, sizes.head_dim, False, norms)

    def forward(self, x: Tensor, view: StreamView) -> Tensor:  # type: ignore[override]
        return super().forward(x, view.layout, view.angles)

    def extend(self, x: Tensor, view: ExtensionView, state: Any) -> tuple[Tensor, Any]:  # type: ignore[override]
        return super().extend(x, view.mask, view.angles, state)


class RecurrentMixer(nn.Module):
    """A recurrent layer, forward or in both directions with half the width each, and a linear layer."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        directions = 1 if sizes.causal else 2
        self.cells = CELLS[sizes.cell](sizes.width, sizes.width // directions, bidirectional=directions == 2)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)
        if sizes.cell == "lstm":
            open_forget_gates(self.cells)

    def forward(self, x: Tensor, view: StreamView) -> Tensor:
        return self.out(view.cell_runner(self.cells, x))

    def extend(self, x: Tensor, view: ExtensionView, state: Any) -> tuple[Tensor, Any]:
        x, state = run_packed(self.cells, x, view.packing, state)
        return self.out(x), state


class ConvolutionMixer(nn.Module):
    """A gated convolution (Dauphin et al. 2017) and a linear layer."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.both = nn.Linear(len(sizes.offsets) * sizes.width, 2 * sizes.width, bias=False)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)

    def mix(self, x: Tensor, index: Tensor) -> Tensor:
        return self.out(F.glu(self.both(gather_neighbours(x, index))))

    def forward(self, x: Tensor, view: StreamView) -> Tensor:
        return self.mix(x, view.neighbours)

    def extend(self, x: Tensor, view: ExtensionView, state: Any) -> tuple[Tensor, Any]:
        """Return the output of new positions and the updated state, the last inputs of each sequence."""
        positions = view.positions
        inputs = torch.cat([x[:0] if state is None else state, x])[positions.order]
        return self.mix(inputs, positions.neighbours), inputs[positions.kept]


MIXERS: dict[str, Callable[[Sizes], Mixer]] = {
    "attention": AttentionMixer,
    "recurrent": RecurrentMixer,
    "convolution": ConvolutionMixer,
}
