"""Gated convolutional networks (Dauphin et al. 2017): each layer extends the receptive field by a few positions.

Shapes: T positions of a stream; "new" and "past" count positions of a continuation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.architecture import Architecture, Backbone
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Stream, to_device
from danlu.registry import architectures


@architectures.register
class Convolutional(Architecture):
    """A gated convolutional network (Dauphin et al. 2017) with pre-norm residual blocks.

    Its receptive field is (`kernel` - 1) x `layers` positions in addition to the position itself.
    """

    name: Literal["convolutional"] = "convolutional"
    reach: Literal["causal", "centred"] = Field(
        "causal",
        description="Position of the kernel: causal ends at the current position (language model), centred surrounds "
        "it (encoder).",
    )
    layers: PositiveInt = Field(6, description="Number of layers.")
    width: PositiveInt = Field(256, description="Hidden size: width of the hidden states.")
    embedding_width: PositiveInt | None = Field(
        None, description="Width of the embeddings; a linear layer projects them to `width`. None: `width`."
    )
    kernel: int = Field(5, ge=2, description="Kernel size in positions; odd if `reach` is centred.")
    context: PositiveInt = Field(256, description="Length in tokens of the longest sequence.")
    tied: bool = Field(True, description="Use the token embeddings as output embeddings.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout probability of the blocks' outputs.")

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"reach": "causal"}, {"reach": "centred"})

    @model_validator(mode="after")
    def _check(self) -> Convolutional:
        if self.reach == "centred" and self.kernel % 2 == 0:
            raise ValueError(f"a centred kernel must be odd, not {self.kernel}; set kernel to {self.kernel + 1}")
        return self

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    def build(self) -> ConvolutionalBackbone:
        return ConvolutionalBackbone(self)


def neighbours(sequence: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """Return the index at each offset from each position, [T, kernel]; T (a row of zeros) outside the sequence."""
    length = len(sequence)
    at = torch.arange(length, device=sequence.device)[:, None] + to_device(torch.tensor(offsets), sequence.device)
    inside = (at >= 0) & (at < length)
    at = at.clamp(0, max(length - 1, 0))
    return torch.where(inside & (sequence[at] == sequence[:, None]), at, length)


def gathered(x: Tensor, at: Tensor) -> Tensor:
    """Concatenate the rows of x [T, width] at indices [T, kernel], [T, kernel * width]."""
    return torch.cat([x, x.new_zeros(1, x.shape[1])])[at].flatten(1)


def offsets_of(kernel: int, causal: bool) -> tuple[int, ...]:
    """Return the offsets of the positions of a kernel from the current one: up to it, or around it."""
    return tuple(range(1 - kernel, 1)) if causal else tuple(range(-(kernel // 2), kernel // 2 + 1))


@dataclass
class Joined:
    """Where the cached and the new positions of a continuation are when they are sorted by sequence."""

    order: Tensor  # sorts cached positions followed by new ones, [past + new]
    at: Tensor  # indices of the neighbours of the new positions in the sorted order, [new, kernel]
    kept: Tensor  # whether a position in the sorted order stays in the cache, [past + new]
    sequence: Tensor  # sequence of each position that stays in the cache


def joined(past: Tensor, new: Tensor, offsets: tuple[int, ...]) -> Joined:
    """Join cached and new positions, given by the indices of their sequences, for a causal kernel."""
    both = torch.cat([past, new])
    order = torch.argsort(both, stable=True)  # cached positions of a sequence, then its new ones
    place = torch.argsort(order)[len(past) :]
    sequence = both[order]
    after = torch.searchsorted(sequence, sequence, right=True) - torch.arange(len(sequence), device=new.device)
    kept = after <= len(offsets) - 1
    return Joined(order, neighbours(sequence, offsets)[place], kept, sequence[kept])


class GatedConvolution(nn.Module):
    """x + out(value(norm(x)) * sigmoid(gate(norm(x)))), [T, width] -> [T, width].

    `out` is zero at first, so that the layer is the identity.
    """

    def __init__(self, settings: Convolutional):
        super().__init__()
        self.norm = RMSNorm(settings.width, eps=1e-6)
        self.both = nn.Linear(settings.kernel * settings.width, 2 * settings.width, bias=False)
        self.out = nn.Linear(settings.width, settings.width, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        nn.init.normal_(self.both.weight, std=self.both.in_features**-0.5)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, normed: Tensor, at: Tensor) -> Tensor:
        """Apply the block; the indices `at` refer to `normed`, which is norm(x), or cached and new norms sorted."""
        return x + self.drop(self.out(F.glu(self.both(gathered(normed, at)))))


@dataclass
class State:
    """The state of a continuation: the last inputs of each sequence."""

    sequence: Tensor  # sequence of each cached position, [past]
    layers: list[Tensor]  # normed inputs of each layer, [past, width]


class ConvolutionalBackbone(Backbone):
    """A stack of gated convolutions, [T, embedding width] -> [T, width]."""

    def __init__(self, settings: Convolutional):
        super().__init__()
        causal = settings.reach == "causal"
        self.offsets = offsets_of(settings.kernel, causal)
        self.offers = frozenset({"causal"} if causal else {"full"})
        self.width = settings.width
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.blocks = nn.ModuleList(GatedConvolution(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def stack(self) -> Sequence[nn.Module]:
        return tuple(self.blocks)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x, at = self.embedding_map(x), neighbours(stream.sequence, self.offsets)
        for block in self.blocks:
            x = block(x, block.norm(x), at)  # type: ignore[operator]
        return self.norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        """Continue causally; the state holds the last kernel - 1 inputs of each layer."""
        x = self.embedding_map(x)
        if state is None:
            state = State(stream.sequence[:0], [x[:0]] * len(self.blocks))
        joint = joined(state.sequence, stream.sequence, self.offsets)
        cached = []
        for block, past in zip(self.blocks, state.layers, strict=True):
            normed = torch.cat([past, block.norm(x)])[joint.order]  # type: ignore[operator]
            cached.append(normed[joint.kept])
            x = block(x, normed, joint.at)
        return self.norm(x), State(joint.sequence, cached)
