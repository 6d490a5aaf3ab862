"""The mixers of a hybrid: attention, recurrence and convolution behind one interface.

A mixer maps [T, width] to [T, width], over a whole stream (`Whole`) or over new positions with a state (`Extension`).
Both views are built once per stream and shared by all layers.
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
from danlu.architectures.transformer.attention import Attention, Past, extension_mask
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.norms import RMSNorm
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.positions import rotary_angles
from danlu.batch import Stream


@dataclass
class Sizes:
    """The settings that mixers depend on."""

    width: int
    heads: int
    kv_heads: int
    head_dim: int
    qk_norm: bool
    theta: float
    cell: str
    causal: bool
    offsets: tuple[int, ...]  # of the positions of a kernel from the current one


@dataclass
class Whole:
    """A whole stream as the mixers need it."""

    layout: Layout  # of attention
    angles: tuple[Tensor, Tensor]  # of rotary positions
    steps: Steps  # of recurrent cells
    at: Tensor  # neighbours of each position for convolutions, [T, kernel]


@dataclass
class Extension:
    """The new positions of a continuation as the mixers need them."""

    mask: Tensor  # of attention, booleans [new, past + new]
    angles: tuple[Tensor, Tensor]  # of rotary positions
    packing: tuple[Tensor, Tensor, Tensor]  # of recurrent cells (`packed_order`)
    joint: Joined  # of convolutions


def whole(x: Tensor, stream: Stream, sizes: Sizes) -> Whole:
    """Build the view of a stream with hidden states x [T, width]."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_dim, sizes.theta)
    layout = layout_of(stream, head_dim=sizes.head_dim, dtype=product_dtype(x))
    return Whole(layout, angles, Steps(stream), neighbours(stream.sequence, sizes.offsets))


def extension(stream: Stream, past: Past, cached: Tensor, sizes: Sizes) -> Extension:
    """Build the view of new positions; `cached` is the sequence of each position that convolutions have cached."""
    angles = rotary_angles(stream.inputs["position"], sizes.head_dim, sizes.theta)
    joint = joined(cached, stream.sequence, sizes.offsets)
    return Extension(extension_mask(stream, past), angles, packed_order(stream), joint)


class Mixer(Protocol):
    """A layer that exchanges information between positions."""

    out: nn.Linear
    """The last linear layer, which is zero at first so that the layer is the identity."""

    def __call__(self, x: Tensor, view: Whole) -> Tensor: ...
    def extend(self, x: Tensor, view: Extension, state: Any) -> tuple[Tensor, Any]: ...


class AttentionMixer(Attention):
    """Attention with rotary positions."""

    def __init__(self, sizes: Sizes):
        norms = (RMSNorm(sizes.head_dim, eps=1e-6), RMSNorm(sizes.head_dim, eps=1e-6)) if sizes.qk_norm else None
        super().__init__(sizes.width, sizes.heads, sizes.kv_heads, sizes.head_dim, False, norms)

    def forward(self, x: Tensor, view: Whole) -> Tensor:  # type: ignore[override]
        return super().forward(x, view.layout, view.angles)

    def extend(self, x: Tensor, view: Extension, state: Any) -> tuple[Tensor, Any]:  # type: ignore[override]
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

    def forward(self, x: Tensor, view: Whole) -> Tensor:
        return self.out(view.steps(self.cells, x))

    def extend(self, x: Tensor, view: Extension, state: Any) -> tuple[Tensor, Any]:
        x, state = stepped(self.cells, x, view.packing, state)
        return self.out(x), state


class ConvolutionMixer(nn.Module):
    """A gated convolution (Dauphin et al. 2017) and a linear layer."""

    def __init__(self, sizes: Sizes):
        super().__init__()
        self.both = nn.Linear(len(sizes.offsets) * sizes.width, 2 * sizes.width, bias=False)
        self.out = nn.Linear(sizes.width, sizes.width, bias=False)

    def mixed(self, x: Tensor, at: Tensor) -> Tensor:
        return self.out(F.glu(self.both(gathered(x, at))))

    def forward(self, x: Tensor, view: Whole) -> Tensor:
        return self.mixed(x, view.at)

    def extend(self, x: Tensor, view: Extension, state: Any) -> tuple[Tensor, Any]:
        """Continue causally; `state` holds the last inputs of each sequence."""
        both = torch.cat([x[:0] if state is None else state, x])[view.joint.order]
        return self.mixed(both, view.joint.at), both[view.joint.kept]


MIXERS: dict[str, Callable[[Sizes], Mixer]] = {
    "attention": AttentionMixer,
    "recurrent": RecurrentMixer,
    "convolution": ConvolutionMixer,
}
