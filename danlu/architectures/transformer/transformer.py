"""The pre-norm Transformer and the settings that choose its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architectures.transformer.attention import Angles, Cache, Known, extension_mask
from danlu.architectures.transformer.decoder import TransformerDecoder
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.parts import (
    attention_of,
    feed_forward_of,
    first_norm_of,
    initialise,
    norm_of,
    relative_of,
)
from danlu.architectures.transformer.positions import PositionEmbedding, angles_by_window
from danlu.registry import architectures
from danlu.settings import Settings
from danlu.waist import Stream


@architectures.register
class Transformer(Settings):
    """A stack of blocks. Widths are in elements; `context` is the longest sequence it is meant for.

    post_norm: norms after each residual sum (BERT) instead of before each half; first_norm: whether the first block
    begins with one; position_offset: the row of the learned position 0; segments: entries of a segment embedding, 0 for
    none; output_bias: a bias for each token's logit. window: every `global_every`-th layer from the first sees all, the
    others only positions at most so far away, with `local_theta` for their rotary angles (theta where not given).

    buckets, farthest: of relative positions. scaled_attention: scores divided by sqrt(head width); scaled_embeddings:
    token vectors times sqrt(width); scaled_head: hidden states divided by sqrt(width) before the logits. A decoder,
    where an objective asks for one, has the same parts in `decoder_layers` blocks (None: as many as layers), positions
    of its own, and with shared_embeddings the same token vectors.
    """

    name: Literal["transformer"] = "transformer"
    layers: PositiveInt = 6
    width: PositiveInt = 256
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
    dropout: float = 0.0

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

    def window_of(self, layer: int) -> int | None:
        """How far layer number `layer` (from 0) sees; None without bound."""
        return None if layer % self.global_every == 0 else self.window

    def theta_of(self, window: int | None) -> float:
        """The base of the rotary angles in layers with that window."""
        return self.theta if window is None else self.local_theta or self.theta

    def build(self) -> TransformerBackbone:
        return TransformerBackbone(self)

    def build_decoder(self) -> TransformerDecoder:
        return TransformerDecoder(self)

    def decoder_embedders(self) -> dict[str, nn.Embedding]:
        """Embeddings that a decoder has in place of those of `embedders`."""
        return {name: table for name, table in self.embedders().items() if name == "position"}

    def embedders(self) -> dict[str, nn.Embedding]:
        """Embeddings this architecture wants summed to the tokens', by input name."""
        tables: dict[str, nn.Embedding] = {}
        if self.positions == "learned":
            tables["position"] = PositionEmbedding(self.context, self.width, self.position_offset)
        if self.segments:
            tables["segment"] = nn.Embedding(self.segments, self.width)
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


class TransformerBackbone(nn.Module):
    """[T, width] -> [T, width]; honours every case of rule 1."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: Transformer):
        super().__init__()
        self.settings = settings
        self.width = settings.width
        self.embedding_norm = norm_of(settings, settings.width) if settings.embedding_norm else nn.Identity()
        self.blocks = nn.ModuleList(Block(settings, i) for i in range(settings.layers))
        self.final_norm = nn.Identity() if settings.post_norm else norm_of(settings, settings.width)
        self.relative = relative_of(settings, both=True)
        self.windows = [settings.window_of(i) for i in range(settings.layers)]

    def forward(self, x: Tensor, stream: Stream, layout: Layout | None = None) -> Tensor:
        """`layout` overrides the fast attention (tests pass the reference)."""
        if not len(stream):
            return x
        layout = layout or layout_of(stream, windows=any(self.windows))
        angles = angles_by_window(self.settings, stream, self.windows)
        bias = None if self.relative is None else layout.biased(self.relative)
        x = self.embedding_norm(x)
        for block, window in zip(self.blocks, self.windows, strict=True):
            x = block(x, layout, angles[window], bias)
        return self.final_norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        state = State(Known.nothing(stream), []) if state is None else state
        known = state.known.grown(stream)
        masks = {w: extension_mask(stream, state.known, w) for w in dict.fromkeys(self.windows)}
        angles, caches = angles_by_window(self.settings, stream, self.windows), []
        bias = None if self.relative is None else self.relative(stream.inputs["position"], known.position)
        x = self.embedding_norm(x)
        for i, (block, window) in enumerate(zip(self.blocks, self.windows, strict=True)):
            cached = state.layers[i] if state.layers else None
            x, cache = block.extend(x, masks[window], angles[window], cached, bias)  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), State(known, caches)
