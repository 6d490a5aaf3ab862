"""What a layer of a hybrid may mix positions with, each one seen through the same two calls.

A mixer maps [T, width] to [T, width] on a whole stream, which its layers see through a `Whole`, or new positions only,
through a `Beside`, with a state of its own. Both are made once for a stream and shared by all layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architectures.convolutional import Joined, gathered, joined, neighbours
from danlu.architectures.even_steps import Steps
from danlu.architectures.packed_steps import packed_order, stepped
from danlu.architectures.recurrent import CELLS, open_forget_gates
from danlu.architectures.transformer.attention import Attention, Known, extension_mask
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.norms import RMSNorm
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.positions import rotary_angles
from danlu.batch import Stream


@dataclass
class Sizes:
    """What mixers are made of; offsets: of the kernel of a convolution."""

    width: int
    heads: int
    kv_heads: int
    head_width: int
    head_norm: bool
    theta: float
    cell: str
    causal: bool
    offsets: tuple[int, ...]


@dataclass
class Whole:
    """A stream from its beginning: how attention lays it out, by what angles it turns, how cells step through it, who
    is whose neighbour."""

    layout: Layout
    angles: tuple[Tensor, Tensor]
    steps: Steps
    at: Tensor


@dataclass
class Beside:
    """New positions beside those that are known: who sees whom [new, known + new], in what order cells step through
    them, and as in `Whole`."""

    mask: Tensor
    angles: tuple[Tensor, Tensor]
    packing: tuple[Tensor, Tensor, Tensor]
    joint: Joined


def whole(x: Tensor, stream: Stream, sizes: Sizes) -> Whole:
    """For hidden states x [T, width] of a stream."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_width, sizes.theta)
    layout = layout_of(stream, head_width=sizes.head_width, dtype=product_dtype(x))
    return Whole(layout, angles, Steps(stream), neighbours(stream.sequence, sizes.offsets))


def beside(stream: Stream, known: Known, remembered: Tensor, sizes: Sizes) -> Beside:
    """`remembered`: the sequence numbers of the positions that convolutions remember."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_width, sizes.theta)
    joint = joined(remembered, stream.sequence, sizes.offsets)
    return Beside(extension_mask(stream, known), angles, packed_order(stream), joint)


class Mixer(Protocol):
    out: nn.Linear
    """Its last map, which starts at zero so that a layer begins as the identity."""

    def __call__(self, x: Tensor, view: Whole) -> Tensor: ...
    def extend(self, x: Tensor, view: Beside, state: Any) -> tuple[Tensor, Any]: ...


class AttentionMixer(Attention):
    """The Transformer's attention with rotary positions."""

    def __init__(self, sizes: Sizes):
        norms = (RMSNorm(sizes.head_width, eps=1e-6), RMSNorm(sizes.head_width, eps=1e-6)) if sizes.head_norm else None
        super().__init__(sizes.width, sizes.heads, sizes.kv_heads, sizes.head_width, False, norms)

    def forward(self, x: Tensor, view: Whole) -> Tensor:  # type: ignore[override]
        return super().forward(x, view.layout, view.angles)

    def extend(self, x: Tensor, view: Beside, state: Any) -> tuple[Tensor, Any]:  # type: ignore[override]
        return super().extend(x, view.mask, view.angles, state)


class RecurrentMixer(nn.Module):
    """One layer of cells, left to right or in both directions with half the width each, and a map."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        directions = 1 if sizes.causal else 2
        self.cells = CELLS[sizes.cell](sizes.width, sizes.width // directions, bidirectional=directions == 2)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)
        if sizes.cell == "lstm":
            open_forget_gates(self.cells)

    def forward(self, x: Tensor, view: Whole) -> Tensor:
        return self.out(view.steps(self.cells, x))

    def extend(self, x: Tensor, view: Beside, state: Any) -> tuple[Tensor, Any]:
        x, state = stepped(self.cells, x, view.packing, state)
        return self.out(x), state


class ConvolutionMixer(nn.Module):
    """A gated convolution over a few neighbours (Dauphin et al. 2017), and a map."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.both = nn.Linear(len(sizes.offsets) * sizes.width, 2 * sizes.width, bias=False)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)

    def mixed(self, x: Tensor, at: Tensor) -> Tensor:
        return self.out(F.glu(self.both(gathered(x, at))))

    def forward(self, x: Tensor, view: Whole) -> Tensor:
        return self.mixed(x, view.at)

    def extend(self, x: Tensor, view: Beside, state: Any) -> tuple[Tensor, Any]:
        """`state` is what is remembered: the last inputs of each sequence."""
        both = torch.cat([x[:0] if state is None else state, x])[view.joint.order]
        return self.mixed(both, view.joint.at), both[view.joint.kept]


MIXERS: dict[str, Callable[[Sizes], Mixer]] = {
    "attention": AttentionMixer,
    "recurrent": RecurrentMixer,
    "convolution": ConvolutionMixer,
}
