"""The pre-norm Transformer and the settings that choose its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architecture import Architecture, Backbone, HeadStyle
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.transformer.attention import Angles, Cache, Known, extension_mask
from danlu.architectures.transformer.decoder import TransformerDecoder
from danlu.architectures.transformer.feed_forward import ACTIVATIONS
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.parts import (
    attention_of,
    feed_forward_of,
    first_norm_of,
    initialise,
    norm_of,
    relative_of,
)
from danlu.architectures.transformer.positions import PositionEmbedding, angles_by_window
from danlu.batch import Stream
from danlu.registry import architectures


@architectures.register
class Transformer(Architecture):
    """A stack of blocks. Widths are in elements; `context` is the longest sequence it is meant for.

    post_norm: norms after each residual sum (BERT) instead of before each half; first_norm: whether the first block
    begins with one; position_offset: the row of the learned position 0; segments: entries of a segment embedding, 0 for
    none; output_bias: a bias for each token's logit. window: every `global_every`-th layer from the first sees all, the
    others only positions at most so far away, with `local_theta` for their rotary angles (theta where not given).
    embedding_width: of the embeddings, mapped into the width behind their norm; None: the width itself. shared_layers:
    so many blocks, each of which a group of layers, one after another, has in common (1: all layers are one block);
    None: each layer has its own (both Lan et al. 2020).

    buckets, farthest: of relative positions. scaled_attention: scores divided by sqrt(head width); scaled_embeddings:
    token vectors times sqrt(width); scaled_head: hidden states divided by sqrt(width) before the logits. A decoder,
    where an objective asks for one, has the same parts in `decoder_layers` blocks (None: as many as layers), positions
    of its own, and with shared_embeddings the same token vectors.
    """

    name: Literal["transformer"] = "transformer"
    layers: PositiveInt = 6
    width: PositiveInt = 256
    embedding_width: PositiveInt | None = None
    shared_layers: PositiveInt | None = None
    heads: PositiveInt = 4
    kv_heads: PositiveInt | None = None
    head_width: PositiveInt | None = None
    hidden: PositiveInt | None = None
    context: PositiveInt = 256
    norm: Literal["rms", "layer"] = "rms"
    epsilon: float = 1e-6
    norm_bias: bool = False
    post_norm: bool = False
    head_norm: bool = False
    embedding_norm: bool = False
    first_norm: bool = True
    positions: Literal["rotary", "learned", "relative"] = "rotary"
    position_offset: NonNegativeInt = 0
    buckets: int = Field(default=32, ge=4, multiple_of=4)
    farthest: PositiveInt = 128
    segments: NonNegativeInt = 0
    theta: float = 10000.0
    window: PositiveInt | None = None
    global_every: PositiveInt = 3
    local_theta: float | None = None
    gated: bool = True
    activation: Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"] = "silu"
    bias: bool = False
    tied: bool = True
    output_bias: bool = False
    scaled_attention: bool = True
    scaled_embeddings: bool = False
    scaled_head: bool = False
    decoder_layers: PositiveInt | None = None
    shared_embeddings: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fits(self) -> Transformer:
        if self.head_width is None and self.width % self.heads:
            raise ValueError(
                f"width {self.width} is not a multiple of heads {self.heads}; set head_width or change one"
            )
        if self.heads % self.groups:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}")
        if self.norm_bias and self.norm == "rms":
            raise ValueError("norm_bias: an rms norm has no bias; set norm to layer")
        if self.position_offset and self.positions != "learned":
            raise ValueError("position_offset: only learned positions have one")
        if self.each_head % 2 and self.positions == "rotary":
            raise ValueError(f"rotary positions need an even head width, not {self.each_head}")
        if self.shared_layers and (self.window or not (self.first_norm or self.post_norm)):
            raise ValueError(
                "shared_layers: layers that share a block are alike; leave out window and first_norm: false"
            )
        if self.positions == "relative" and self.window:
            raise ValueError("window: layers with relative positions have none")
        if self.farthest <= self.buckets // 2:
            raise ValueError(f"farthest {self.farthest} must be above half of the buckets, {self.buckets // 2}")
        return self

    @property
    def groups(self) -> int:
        return self.kv_heads or self.heads

    @property
    def each_head(self) -> int:
        return self.head_width or self.width // self.heads

    @property
    def inner(self) -> int:
        """Feed-forward width: 4 x width, or for gated ones 8/3 x width rounded up to 64, about the same parameters."""
        return self.hidden or (-(-8 * self.width // 3 // 64) * 64 if self.gated else 4 * self.width)

    def blocks_of(self, layers: int) -> tuple[int, ...]:
        """The block of each of so many layers."""
        blocks = min(self.shared_layers or layers, layers)
        return tuple(layer * blocks // layers for layer in range(layers))

    @property
    def block_numbers(self) -> tuple[int, ...]:
        """The block of each layer."""
        return self.blocks_of(self.layers)

    def window_of(self, layer: int) -> int | None:
        """How far layer number `layer` (from 0) sees; None without bound."""
        return None if layer % self.global_every == 0 else self.window

    def theta_of(self, window: int | None) -> float:
        """The base of the rotary angles in layers with that window."""
        return self.theta if window is None else self.local_theta or self.theta

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    def build(self) -> TransformerBackbone:
        return TransformerBackbone(self)

    @property
    def head_style(self) -> HeadStyle:
        return HeadStyle(
            bias=self.bias,
            norm_bias=self.norm_bias,
            epsilon=self.epsilon,
            activation=ACTIVATIONS[self.activation],
            output_bias=self.output_bias,
            scaled_head=self.scaled_head,
            scaled_embeddings=self.scaled_embeddings,
            shared_embeddings=self.shared_embeddings,
        )

    def build_decoder(self) -> TransformerDecoder:
        return TransformerDecoder(self)

    def decoder_embedding_tables(self) -> dict[str, nn.Embedding]:
        """Embeddings that a decoder has in place of those of `embeddings`."""
        return {name: table for name, table in self.embedding_tables().items() if name == "position"}

    def embedding_tables(self) -> dict[str, nn.Embedding]:
        """Embeddings this architecture wants summed to the tokens', by input name."""
        tables: dict[str, nn.Embedding] = {}
        width = self.embedding_width or self.width
        if self.positions == "learned":
            tables["position"] = PositionEmbedding(self.context, width, self.position_offset)
        if self.segments:
            tables["segment"] = nn.Embedding(self.segments, width)
        return tables


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); with post_norm norm(x + attention(x)), then
    norm(x + feed_forward(x)). [T, width] -> [T, width]."""

    def __init__(self, settings: Transformer, layer: int):
        super().__init__()
        self.post_norm = settings.post_norm
        self.attention_norm = first_norm_of(settings, layer)
        self.attention = attention_of(settings, settings.window_of(layer))
        self.feed_forward_norm = norm_of(settings, settings.width)
        self.feed_forward = feed_forward_of(settings)
        self.drop = nn.Dropout(settings.dropout)
        initialise(self)

    def forward(self, x: Tensor, layout: Layout, angles: Angles, bias: Tensor | None = None) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(x + self.drop(self.attention(x, layout, angles, bias)))
            return self.feed_forward_norm(x + self.drop(self.feed_forward(x)))
        x = x + self.drop(self.attention(self.attention_norm(x), layout, angles, bias))
        return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))

    def extend(
        self, x: Tensor, mask: Tensor, angles: Angles, known: Cache | None, bias: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """As `forward`, for new positions only, and without dropout."""
        a, cache = self.attention.extend(x if self.post_norm else self.attention_norm(x), mask, angles, known, bias)
        if self.post_norm:
            x = self.attention_norm(x + a)
            return self.feed_forward_norm(x + self.feed_forward(x)), cache
        x = x + a
        return x + self.feed_forward(self.feed_forward_norm(x)), cache


@dataclass
class State:
    """What a continuation remembers: what it has read, and each layer's cache."""

    known: Known
    layers: list[Cache]


class TransformerBackbone(Backbone):
    """[T, embedding width] -> [T, width]; honours every case of rule 1."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: Transformer):
        super().__init__()
        self.settings = settings
        self.width = settings.width
        narrow = settings.embedding_width or settings.width
        self.embedding_norm = norm_of(settings, narrow) if settings.embedding_norm else nn.Identity()
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width, settings.bias)
        self.order = settings.block_numbers
        self.blocks = nn.ModuleList(Block(settings, i) for i in range(self.order[-1] + 1))
        self.final_norm = nn.Identity() if settings.post_norm else norm_of(settings, settings.width)
        self.relative = relative_of(settings, both=True)
        self.windows = [settings.window_of(i) for i in range(settings.layers)]

    def forward(self, x: Tensor, stream: Stream, layout: Layout | None = None) -> Tensor:
        """`layout` overrides the fast attention (tests pass the reference)."""
        x = self.embedding_map(self.embedding_norm(x))
        if not len(stream):
            return x
        layout = layout or layout_of(
            stream,
            tuple(dict.fromkeys(self.windows)),
            self.settings.each_head,
            product_dtype(x),
            self.relative is not None,
        )
        angles = angles_by_window(self.settings, stream, self.windows)
        bias = None if self.relative is None else layout.biased(self.relative)
        for number, window in zip(self.order, self.windows, strict=True):
            x = self.blocks[number](x, layout, angles[window], bias)
        return self.final_norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        state = State(Known.nothing(stream), []) if state is None else state
        known = state.known.grown(stream)
        masks = {w: extension_mask(stream, state.known, w) for w in dict.fromkeys(self.windows)}
        angles, caches = angles_by_window(self.settings, stream, self.windows), []
        bias = None if self.relative is None else self.relative(stream.inputs["position"], known.position)
        x = self.embedding_map(self.embedding_norm(x))
        for i, (number, window) in enumerate(zip(self.order, self.windows, strict=True)):
            cached = state.layers[i] if state.layers else None
            x, cache = self.blocks[number].extend(x, masks[window], angles[window], cached, bias)  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), State(known, caches)
