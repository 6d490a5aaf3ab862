"""Gated convolutional networks (Dauphin et al. 2017): each layer extends the receptive field by a few positions.

Shapes: T positions of a stream; in incremental decoding, "past" and "new" count cached and new positions.
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
    """Return the indices of the positions under a kernel, [T, kernel].

    Args:
        sequence: index of the sequence of each position, [T].
        offsets: offsets of the kernel's positions from the current one.

    Returns:
        For each position and offset the index of the other position; T if it is outside the sequence.
    """
    length = len(sequence)
    index = torch.arange(length, device=sequence.device)[:, None] + to_device(torch.tensor(offsets), sequence.device)
    inside = (index >= 0) & (index < length)
    index = index.clamp(0, max(length - 1, 0))
    return torch.where(inside & (sequence[index] == sequence[:, None]), index, length)


def gather_neighbours(x: Tensor, index: Tensor) -> Tensor:
    """Concatenate the rows of x [T, width] at `index` [T, kernel]; index T is a row of zeros: [T, kernel * width]."""
    return torch.cat([x, x.new_zeros(1, x.shape[1])])[index].flatten(1)


def kernel_offsets(kernel: int, causal: bool) -> tuple[int, ...]:
    """Return the offsets of a kernel's positions from the current one, which is its last (causal) or middle one."""
    return tuple(range(1 - kernel, 1)) if causal else tuple(range(-(kernel // 2), kernel // 2 + 1))


@dataclass
class JoinedPositions:
    """Cached and new positions in incremental decoding, sorted by sequence."""

    order: Tensor  # permutation that sorts cached positions followed by new ones, [past + new]
    neighbours: Tensor  # sorted indices of the positions under the kernel of each new position, [new, kernel]
    kept: Tensor  # whether a sorted position stays in the cache, [past + new] booleans
    sequence: Tensor  # sequence of each position that stays in the cache


def join_positions(past: Tensor, new: Tensor, offsets: tuple[int, ...]) -> JoinedPositions:
    """Join cached positions [past] and new ones [new], given by the indices of their sequences, for a causal kernel."""
    joined = torch.cat([past, new])
    order = torch.argsort(joined, stable=True)  # cached positions of a sequence, then its new ones
    rank = torch.argsort(order)[len(past) :]
    sequence = joined[order]
    remaining = torch.searchsorted(sequence, sequence, right=True) - torch.arange(len(sequence), device=new.device)
    kept = remaining <= len(offsets) - 1
    return JoinedPositions(order, neighbours(sequence, offsets)[rank], kept, sequence[kept])


class GatedConvolution(nn.Module):
    """x + out(value(norm(x)) * sigmoid(gate(norm(x)))), [T, width] -> [T, width].

    `out` is initialised to zero, so that the layer starts as the identity.
    """

    def __init__(self, settings: Convolutional):
        super().__init__()
        self.norm = RMSNorm(settings.width, eps=1e-6)
        self.both = nn.Linear(settings.kernel * settings.width, 2 * settings.width, bias=False)
        self.out = nn.Linear(settings.width, settings.width, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        nn.init.normal_(self.both.weight, std=self.both.in_features**-0.5)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, normed: Tensor, index: Tensor) -> Tensor:
        """Apply the block to x [T, width].

        Args:
            x: inputs [T, width].
            normed: norm(x); in incremental decoding, the norms of cached and new positions, sorted by sequence.
            index: indices in `normed` of the positions under the kernel, [T, kernel].
        """
        return x + self.drop(self.out(F.glu(self.both(gather_neighbours(normed, index)))))


@dataclass
class State:
    """The cache of incremental decoding: the last inputs of each sequence."""

    sequence: Tensor  # sequence of each cached position, [past]
    layers: list[Tensor]  # normalised inputs of each layer, [past, width]


class ConvolutionalBackbone(Backbone):
    """A stack of gated convolutions, [T, embedding width] -> [T, width]."""

    def __init__(self, settings: Convolutional):
        super().__init__()
        causal = settings.reach == "causal"
        self.offsets = kernel_offsets(settings.kernel, causal)
        self.offers = frozenset({"causal"} if causal else {"full"})
        self.width = settings.width
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.blocks = nn.ModuleList(GatedConvolution(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def stack(self) -> Sequence[nn.Module]:
        return tuple(self.blocks)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x, index = self.embedding_map(x), neighbours(stream.sequence, self.offsets)
        for block in self.blocks:
            x = block(x, block.norm(x), index)  # type: ignore[operator]
        return self.norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        """Return the hidden states of new positions; the state holds the last kernel - 1 inputs of each layer."""
        x = self.embedding_map(x)
        if state is None:
            state = State(stream.sequence[:0], [x[:0]] * len(self.blocks))
        positions = join_positions(state.sequence, stream.sequence, self.offsets)
        cached = []
        for block, past in zip(self.blocks, state.layers, strict=True):
            normed = torch.cat([past, block.norm(x)])[positions.order]  # type: ignore[operator]
            cached.append(normed[positions.kept])
            x = block(x, normed, positions.neighbours)
        return self.norm(x), State(positions.sequence, cached)
