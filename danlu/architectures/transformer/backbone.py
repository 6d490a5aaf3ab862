"""The backbone of a Transformer: a stack of attention and feed-forward blocks.

Shapes: T positions of a stream.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from danlu.architecture import Backbone
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.transformer.attention import Angles, Cache, Past, extension_mask
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.parts import (
    build_attention,
    build_feed_forward,
    build_first_norm,
    build_norm,
    build_relative_positions,
    initialise,
)
from danlu.architectures.transformer.positions import angles_by_window
from danlu.architectures.transformer.settings import TransformerSettings
from danlu.batch import Stream


class Block(nn.Module):
    """Attention and feed-forward sublayers with residual connections, [T, width] -> [T, width].

    Pre-norm: x + sublayer(norm(x)). Post-norm: norm(x + sublayer(x)).
    """

    def __init__(self, settings: TransformerSettings, layer: int):
        super().__init__()
        self.post_norm = settings.post_norm
        self.attention_norm = build_first_norm(settings, layer)
        self.attention = build_attention(settings, settings.window_of(layer))
        self.feed_forward_norm = build_norm(settings, settings.width)
        self.feed_forward = build_feed_forward(settings)
        self.drop = nn.Dropout(settings.dropout)
        initialise(self)

    def forward(self, x: Tensor, layout: Layout, angles: Angles, bias: Tensor | None = None) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(x + self.drop(self.attention(x, layout, angles, bias)))
            return self.feed_forward_norm(x + self.drop(self.feed_forward(x)))
        x = x + self.drop(self.attention(self.attention_norm(x), layout, angles, bias))
        return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))

    def extend(
        self, x: Tensor, mask: Tensor, angles: Angles, cache: Cache | None, bias: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Apply the block to new positions with the cache of past ones, without dropout."""
        a, cache = self.attention.extend(x if self.post_norm else self.attention_norm(x), mask, angles, cache, bias)
        if self.post_norm:
            x = self.attention_norm(x + a)
            return self.feed_forward_norm(x + self.feed_forward(x)), cache
        x = x + a
        return x + self.feed_forward(self.feed_forward_norm(x)), cache


@dataclass
class State:
    """The cache of incremental decoding."""

    past: Past  # the positions processed so far
    layers: list[Cache]  # keys and values of each layer


class TransformerBackbone(Backbone):
    """A stack of blocks, [T, embedding width] -> [T, width]. Supports every attention order."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.settings = settings
        self.width = settings.width
        self.embedding_norm = build_norm(settings, settings.embedding_dim) if settings.embedding_norm else nn.Identity()
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width, settings.bias)
        self.order = settings.block_indices
        self.blocks = nn.ModuleList(Block(settings, i) for i in range(self.order[-1] + 1))
        self.final_norm = nn.Identity() if settings.post_norm else build_norm(settings, settings.width)
        self.relative = build_relative_positions(settings, bidirectional=True)
        self.windows = [settings.window_of(i) for i in range(settings.layers)]

    def stack(self) -> Sequence[nn.Module]:
        return tuple(self.blocks)

    def forward(self, x: Tensor, stream: Stream, layout: Layout | None = None) -> Tensor:
        """Return the hidden states [T, width]; `layout` overrides the choice of the attention implementation."""
        x = self.embedding_map(self.embedding_norm(x))
        if not len(stream):
            return x
        layout = layout or layout_of(
            stream,
            tuple(dict.fromkeys(self.windows)),
            self.settings.head_size,
            product_dtype(x),
            self.relative is not None,
        )
        angles = angles_by_window(self.settings, stream, self.windows)
        bias = None if self.relative is None else layout.score_bias(self.relative)
        for index, window in zip(self.order, self.windows, strict=True):
            x = self.blocks[index](x, layout, angles[window], bias)
        return self.final_norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        state = State(Past.empty(stream), []) if state is None else state
        past = state.past.extend(stream)
        masks = {w: extension_mask(stream, state.past, w) for w in dict.fromkeys(self.windows)}
        angles, caches = angles_by_window(self.settings, stream, self.windows), []
        bias = None if self.relative is None else self.relative(stream.inputs["position"], past.position)
        x = self.embedding_map(self.embedding_norm(x))
        for i, (index, window) in enumerate(zip(self.order, self.windows, strict=True)):
            cached = state.layers[i] if state.layers else None
            x, cache = self.blocks[index].extend(x, masks[window], angles[window], cached, bias)  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), State(past, caches)
