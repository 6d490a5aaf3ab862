"""Hybrid networks: layers of attention among layers of recurrence or convolution, as in Griffin (De et al. 2024) and
Jamba (Lieber et al. 2024), whose cells are others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architecture import Architecture, Backbone, HeadStyle
from danlu.architectures.convolutional import offsets_of
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.hybrid.mixers import MIXERS, Beside, Sizes, Whole, beside, whole
from danlu.architectures.transformer.attention import Known
from danlu.architectures.transformer.feed_forward import ACTIVATIONS, Gated
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Stream
from danlu.registry import architectures


@architectures.register
class Hybrid(Architecture):
    """`layers` pre-norm layers, each a mixer and a gated feed-forward half. mixers: what mixes positions in each layer,
    from the first, begun again where there are more layers than mixers.

    reach causal: recurrence goes left to right and convolutions end at their position (a language model); full: both
    directions and around it (an encoder; the kernel is odd). Attention follows the order of the text it is given, so
    attention alone honours every order. kernel: positions of a convolution; cell: of recurrence. Only attention turns
    its inputs by their position; the others know the order themselves.
    """

    name: Literal["hybrid"] = "hybrid"
    mixers: tuple[Literal["attention", "recurrent", "convolution"], ...] = Field(
        default=("recurrent", "attention"), min_length=1
    )
    reach: Literal["causal", "full"] = "causal"
    layers: PositiveInt = 6
    width: PositiveInt = 256
    embedding_width: PositiveInt | None = None
    heads: PositiveInt = 4
    kv_heads: PositiveInt | None = None
    head_norm: bool = False
    hidden: PositiveInt | None = None
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    kernel: int = Field(default=5, ge=2)
    context: PositiveInt = 256
    theta: float = 10000.0
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "silu"
    tied: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"reach": "causal"}, {"reach": "full"})

    @model_validator(mode="after")
    def _fits(self) -> Hybrid:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} is not a multiple of twice the heads {self.heads}; rotary heads are even"
            )
        if self.heads % (self.kv_heads or 1):
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.reach == "full" and self.kernel % 2 == 0 and "convolution" in self.pattern:
            raise ValueError(f"a centred kernel is odd, not {self.kernel}")
        return self

    @property
    def pattern(self) -> tuple[str, ...]:
        """The mixer of each layer."""
        return tuple(self.mixers[i % len(self.mixers)] for i in range(self.layers))

    @property
    def inner(self) -> int:
        """Feed-forward width: 8/3 x width rounded up to 64 where it is not given."""
        return self.hidden or -(-8 * self.width // 3 // 64) * 64

    @property
    def sizes(self) -> Sizes:
        causal = self.reach == "causal"
        return Sizes(
            self.width, self.heads, self.kv_heads or self.heads, self.width // self.heads, self.head_norm, self.theta,
            self.cell, causal, offsets_of(self.kernel, causal),
        )  # fmt: skip

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    @property
    def head_style(self) -> HeadStyle:
        return HeadStyle(activation=ACTIVATIONS[self.activation])

    def build(self) -> HybridBackbone:
        return HybridBackbone(self)


class Layer(nn.Module):
    """x + mixer(norm(x)), then x + feed_forward(norm(x)). [T, width] -> [T, width]."""

    def __init__(self, settings: Hybrid, mixer: str):
        super().__init__()
        self.mixer_norm = RMSNorm(settings.width, eps=1e-6)
        self.mixer: Any = MIXERS[mixer](settings.sizes)
        self.feed_forward_norm = RMSNorm(settings.width, eps=1e-6)
        self.feed_forward = Gated(settings.width, settings.inner, settings.activation, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        nn.init.zeros_(self.mixer.out.weight)
        nn.init.zeros_(self.feed_forward.down.weight)

    def forward(self, x: Tensor, view: Whole) -> Tensor:
        x = x + self.drop(self.mixer(self.mixer_norm(x), view))
        return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))

    def extend(self, x: Tensor, view: Beside, state: Any) -> tuple[Tensor, Any]:
        """As `forward`, for new positions only, and without dropout."""
        mixed, state = self.mixer.extend(self.mixer_norm(x), view, state)
        x = x + mixed
        return x + self.feed_forward(self.feed_forward_norm(x)), state


@dataclass
class State:
    """What a continuation remembers: what attention has read, whose inputs convolutions keep, each layer's own."""

    known: Known
    remembered: Tensor
    layers: list[Any]


class HybridBackbone(Backbone):
    """[T, embedding width] -> [T, width]. Sequences of a continuation are the same at every call, as for cells."""

    def __init__(self, settings: Hybrid):
        super().__init__()
        self.width, self.sizes = settings.width, settings.sizes
        own = {"causal"} if settings.reach == "causal" else {"full"}
        alone = set(settings.pattern) == {"attention"}
        self.offers = frozenset({"causal", "full", "any"} if alone else own)
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.blocks = nn.ModuleList(Layer(settings, mixer) for mixer in settings.pattern)
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x = self.embedding_map(x)
        if not len(stream):
            return x
        view = whole(x, stream, self.sizes)
        for block in self.blocks:
            x = block(x, view)
        return self.norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        """For causal reach."""
        x = self.embedding_map(x)
        if state is None:
            nothing = torch.empty(0, dtype=torch.int64, device=stream.key.device)
            state = State(Known(nothing, nothing, nothing), nothing, [None] * len(self.blocks))
        if not len(stream):
            return x, state
        view, states = beside(stream, state.known, state.remembered, self.sizes), []
        for block, known in zip(self.blocks, state.layers, strict=True):
            x, kept = block.extend(x, view, known)  # type: ignore[operator]
            states.append(kept)
        return self.norm(x), State(state.known.grown(stream), view.joint.sequence, states)
