"""Gated convolutional networks (Dauphin et al. 2017): each layer sees a few neighbours, so depth is reach."""

from __future__ import annotations

from collections.abc import Mapping
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
    """`layers` blocks of norm, gated convolution over `kernel` positions and residual.

    reach causal: the kernel ends at its position (a language model); centred: it lies around it (an encoder; the kernel
    is odd). A position is reached by (kernel - 1) * layers others at most. Embeddings of an `embedding_width` of their
    own are mapped into the width first.
    """

    name: Literal["convolutional"] = "convolutional"
    reach: Literal["causal", "centred"] = "causal"
    layers: PositiveInt = 6
    width: PositiveInt = 256
    embedding_width: PositiveInt | None = None
    kernel: int = Field(default=5, ge=2)
    context: PositiveInt = 256
    tied: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"reach": "causal"}, {"reach": "centred"})

    @model_validator(mode="after")
    def _odd(self) -> Convolutional:
        if self.reach == "centred" and self.kernel % 2 == 0:
            raise ValueError(f"a centred kernel is odd, not {self.kernel}")
        return self

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    def build(self) -> ConvolutionalBackbone:
        return ConvolutionalBackbone(self)


def neighbours(sequence: Tensor, offsets: tuple[int, ...]) -> Tensor:
    """[T, kernel]: for each position the position at each offset, T (a row of zeros) where another sequence begins."""
    length = len(sequence)
    at = torch.arange(length, device=sequence.device)[:, None] + to_device(torch.tensor(offsets), sequence.device)
    inside = (at >= 0) & (at < length)
    at = at.clamp(0, max(length - 1, 0))
    return torch.where(inside & (sequence[at] == sequence[:, None]), at, length)


def gathered(x: Tensor, at: Tensor) -> Tensor:
    """[T, width], [T, kernel] -> [T, kernel * width]."""
    return torch.cat([x, x.new_zeros(1, x.shape[1])])[at].flatten(1)


def offsets_of(kernel: int, causal: bool) -> tuple[int, ...]:
    """Where the positions of a kernel lie from its own: before it and itself, or around it."""
    return tuple(range(1 - kernel, 1)) if causal else tuple(range(-(kernel // 2), kernel // 2 + 1))


@dataclass
class Joined:
    """New positions beside what is remembered of their sequences: `order` sorts both together; `at` [new, kernel] says
    where in that the neighbours of the new ones are, `kept` what is remembered further, and of which `sequence`."""

    order: Tensor
    at: Tensor
    kept: Tensor
    sequence: Tensor


def joined(known: Tensor, new: Tensor, offsets: tuple[int, ...]) -> Joined:
    """Of the sequence numbers of remembered and of new positions, for a causal kernel."""
    both = torch.cat([known, new])
    order = torch.argsort(both, stable=True)  # what is known of a sequence, then what is new
    place = torch.argsort(order)[len(known) :]
    sequence = both[order]
    after = torch.searchsorted(sequence, sequence, right=True) - torch.arange(len(sequence), device=new.device)
    kept = after <= len(offsets) - 1
    return Joined(order, neighbours(sequence, offsets)[place], kept, sequence[kept])


class GatedConvolution(nn.Module):
    """x + out(value(norm(x)) * sigmoid(gate(norm(x)))); out starts at zero, so that a layer begins as the identity.
    [T, width] -> [T, width]."""

    def __init__(self, settings: Convolutional):
        super().__init__()
        self.norm = RMSNorm(settings.width, eps=1e-6)
        self.both = nn.Linear(settings.kernel * settings.width, 2 * settings.width, bias=False)
        self.out = nn.Linear(settings.width, settings.width, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        nn.init.normal_(self.both.weight, std=self.both.in_features**-0.5)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, normed: Tensor, at: Tensor) -> Tensor:
        """`normed` holds what `at` points into: norm(x), or norm(x) after what is remembered."""
        return x + self.drop(self.out(F.glu(self.both(gathered(normed, at)))))


@dataclass
class State:
    """Per layer the last normed inputs of each known sequence, and whose they are."""

    sequence: Tensor
    layers: list[Tensor]


class ConvolutionalBackbone(Backbone):
    """[T, embedding width] -> [T, width]."""

    def __init__(self, settings: Convolutional):
        super().__init__()
        causal = settings.reach == "causal"
        self.offsets = offsets_of(settings.kernel, causal)
        self.offers = frozenset({"causal"} if causal else {"full"})
        self.width = settings.width
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.blocks = nn.ModuleList(GatedConvolution(settings) for _ in range(settings.layers))
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x, at = self.embedding_map(x), neighbours(stream.sequence, self.offsets)
        for block in self.blocks:
            x = block(x, block.norm(x), at)  # type: ignore[operator]
        return self.norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        """New positions only, beside the last kernel - 1 inputs of each layer; for causal reach."""
        x = self.embedding_map(x)
        if state is None:
            state = State(stream.sequence[:0], [x[:0]] * len(self.blocks))
        joint = joined(state.sequence, stream.sequence, self.offsets)
        remembered = []
        for block, known in zip(self.blocks, state.layers, strict=True):
            normed = torch.cat([known, block.norm(x)])[joint.order]  # type: ignore[operator]
            remembered.append(normed[joint.kept])
            x = block(x, normed, joint.at)
        return self.norm(x), State(joint.sequence, remembered)
