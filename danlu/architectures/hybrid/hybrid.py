"""Hybrid networks: stacks that interleave layers of attention, recurrence and convolution.

Griffin (De et al. 2024) and Jamba (Lieber et al. 2024) are hybrids with other recurrent cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architecture import Architecture, Backbone, HeadStyle
from danlu.architectures.convolutional import kernel_offsets
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.hybrid.mixers import (
    MIXERS,
    ExtensionView,
    Sizes,
    StreamView,
    build_extension_view,
    build_stream_view,
)
from danlu.architectures.transformer.attention import Past
from danlu.architectures.transformer.feed_forward import ACTIVATIONS, Gated
from danlu.architectures.transformer.norms import RMSNorm
from danlu.architectures.transformer.settings import Activation
from danlu.batch import Stream
from danlu.registry import architectures


@architectures.register
class Hybrid(Architecture):
    """A stack of pre-norm layers of attention, recurrence or convolution, each followed by a gated feed-forward layer.

    Attention layers have rotary positions; the other mixers need no position encoding. A stack of attention layers only
    supports every attention order.
    """

    renamed: ClassVar[Mapping[str, str]] = {"hidden": "ffn_dim", "head_norm": "qk_norm"}

    name: Literal["hybrid"] = "hybrid"
    mixers: tuple[Literal["attention", "recurrent", "convolution"], ...] = Field(
        default=("recurrent", "attention"),
        min_length=1,
        description="The mixer of each layer from the first; the list is repeated if there are more layers.",
    )
    reach: Literal["causal", "full"] = Field(
        "causal",
        description="causal: recurrence runs forward and kernels end at the current position (language model). full: "
        "recurrence runs in both directions and kernels surround the current position (encoder).",
    )
    layers: PositiveInt = Field(6, description="Number of layers.")
    width: PositiveInt = Field(256, description="Hidden size: width of the hidden states.")
    embedding_width: PositiveInt | None = Field(
        None, description="Width of the embeddings; a linear layer projects them to `width`. None: `width`."
    )
    heads: PositiveInt = Field(4, description="Number of query heads.")
    kv_heads: PositiveInt | None = Field(
        None, description="Number of key and value heads (grouped-query attention). None: as many as `heads`."
    )
    qk_norm: bool = Field(False, description="Normalise the queries and keys of each head.")
    ffn_dim: PositiveInt | None = Field(
        None,
        description="Width of the feed-forward layers. None: 8/3 x `width` rounded up to a multiple of 64.",
    )
    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="Cell of the recurrent layers.")
    kernel: int = Field(5, ge=2, description="Kernel size of convolutions in positions; odd if `reach` is full.")
    context: PositiveInt = Field(256, description="Length in tokens of the longest sequence.")
    theta: float = Field(10000.0, description="Base of the rotary angles.")
    activation: Activation = Field("silu", description="Activation function of the feed-forward layers.")
    tied: bool = Field(True, description="Use the token embeddings as output embeddings.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout probability of the sublayers' outputs.")

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"reach": "causal"}, {"reach": "full"})

    @model_validator(mode="after")
    def _check(self) -> Hybrid:
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width {self.width} is not a multiple of twice the heads {self.heads}, so that heads have an even "
                "width; change one"
            )
        if self.heads % (self.kv_heads or 1):
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}; change one")
        if self.reach == "full" and self.kernel % 2 == 0 and "convolution" in self.pattern:
            raise ValueError(f"a centred kernel must be odd, not {self.kernel}; set kernel to {self.kernel + 1}")
        return self

    @property
    def pattern(self) -> tuple[str, ...]:
        """The mixer of each layer."""
        return tuple(self.mixers[i % len(self.mixers)] for i in range(self.layers))

    @property
    def ffn_width(self) -> int:
        """Width of the feed-forward layers."""
        return self.ffn_dim or -(-8 * self.width // 3 // 64) * 64

    @property
    def sizes(self) -> Sizes:
        """The settings of the mixers."""
        causal = self.reach == "causal"
        return Sizes(
            self.width, self.heads, self.kv_heads or self.heads, self.width // self.heads, self.qk_norm, self.theta,
            self.cell, causal, kernel_offsets(self.kernel, causal),
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
    """A mixer and a feed-forward sublayer, each x + sublayer(norm(x)), [T, width] -> [T, width]."""

    def __init__(self, settings: Hybrid, mixer: str):
        super().__init__()
        self.mixer_norm = RMSNorm(settings.width, eps=1e-6)
        self.mixer: Any = MIXERS[mixer](settings.sizes)
        self.feed_forward_norm = RMSNorm(settings.width, eps=1e-6)
        self.feed_forward = Gated(settings.width, settings.ffn_width, settings.activation, bias=False)
        self.drop = nn.Dropout(settings.dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
        nn.init.zeros_(self.mixer.out.weight)
        nn.init.zeros_(self.feed_forward.down.weight)

    def forward(self, x: Tensor, view: StreamView) -> Tensor:
        x = x + self.drop(self.mixer(self.mixer_norm(x), view))
        return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))

    def extend(self, x: Tensor, view: ExtensionView, state: Any) -> tuple[Tensor, Any]:
        """Run `forward` over new positions only, without dropout."""
        mixed, state = self.mixer.extend(self.mixer_norm(x), view, state)
        x = x + mixed
        return x + self.feed_forward(self.feed_forward_norm(x)), state


@dataclass
class State:
    """The cache of incremental decoding."""

    past: Past  # the positions processed so far
    cached: Tensor  # sequence of each position in the cache of convolutions, [cached]
    layers: list[Any]  # state of the mixer of each layer


class HybridBackbone(Backbone):
    """A stack of layers, [T, embedding width] -> [T, width].

    All calls of `extend` with one state must have the same sequences.
    """

    def __init__(self, settings: Hybrid):
        super().__init__()
        self.width, self.sizes = settings.width, settings.sizes
        attention_only = set(settings.pattern) == {"attention"}
        self.offers = frozenset({"causal", "full", "any"} if attention_only else {settings.reach})
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.blocks = nn.ModuleList(Layer(settings, mixer) for mixer in settings.pattern)
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def stack(self) -> Sequence[nn.Module]:
        return tuple(self.blocks)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x = self.embedding_map(x)
        if not len(stream):
            return x
        view = build_stream_view(x, stream, self.sizes)
        for block in self.blocks:
            x = block(x, view)
        return self.norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        x = self.embedding_map(x)
        if state is None:
            empty = torch.empty(0, dtype=torch.int64, device=stream.key.device)
            state = State(Past(empty, empty, empty), empty, [None] * len(self.blocks))
        if not len(stream):
            return x, state
        view, states = build_extension_view(stream, state.past, state.cached, self.sizes), []
        for block, before in zip(self.blocks, state.layers, strict=True):
            x, after = block.extend(x, view, before)  # type: ignore[operator]
            states.append(after)
        return self.norm(x), State(state.past.extend(stream), view.positions.sequence, states)
