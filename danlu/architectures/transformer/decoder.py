"""The decoder of an encoder-decoder (Vaswani et al. 2017): blocks with self-attention and cross-attention.

Shapes: T positions of the decoder's stream, S positions of the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from danlu.architecture import Decoder
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.transformer.attention import Angles, Cache, Past, extension_mask
from danlu.architectures.transformer.cross_layout import CrossLayout, check_same_count, cross_layout_of, cross_mask
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
from danlu.batch import Memory, Stream


class DecoderBlock(nn.Module):
    """Self-attention, cross-attention and feed-forward sublayers with residual connections, [T, width] -> [T, width].

    Pre-norm or post-norm, as in `Block`.
    """

    def __init__(self, settings: TransformerSettings, layer: int):
        super().__init__()
        self.post_norm = settings.post_norm
        self.attention_norm = build_first_norm(settings, layer)
        self.attention = build_attention(settings, settings.window_of(layer))
        self.cross_norm = build_norm(settings, settings.width)
        self.cross = build_attention(settings)
        self.feed_forward_norm = build_norm(settings, settings.width)
        self.feed_forward = build_feed_forward(settings)
        self.drop = nn.Dropout(settings.dropout)
        initialise(self)

    def sublayer_input(self, x: Tensor, norm: nn.Module) -> Tensor:
        """Return the input of a sublayer: norm(x) if pre-norm, otherwise x."""
        return x if self.post_norm else norm(x)

    def add(self, x: Tensor, output: Tensor, norm: nn.Module) -> Tensor:
        """Add the output of a sublayer to the residual stream."""
        x = x + self.drop(output)
        return norm(x) if self.post_norm else x

    def add_feed_forward(self, x: Tensor) -> Tensor:
        """Apply the feed-forward sublayer."""
        return self.add(x, self.feed_forward(self.sublayer_input(x, self.feed_forward_norm)), self.feed_forward_norm)

    def forward(
        self, x: Tensor, memory: Tensor, layout: Layout, cross: CrossLayout, angles: Angles, bias: Tensor | None
    ) -> Tensor:
        a = self.attention(self.sublayer_input(x, self.attention_norm), layout, angles, bias)
        x = self.add(x, a, self.attention_norm)
        query = self.cross.queries(self.sublayer_input(x, self.cross_norm), None)
        a = self.cross.out(cross.attend(query, *self.cross.keys_values(memory, None)).flatten(1))
        return self.add_feed_forward(self.add(x, a, self.cross_norm))

    def extend(
        self, x: Tensor, own: Cache | None, memory: Cache, mask: Tensor, memory_mask: Tensor, angles: Angles,
        bias: Tensor | None,
    ) -> tuple[Tensor, Cache]:  # fmt: skip
        """Apply the block to new positions with the cache of past ones.

        Args:
            x: inputs [new, width].
            own: keys and values of past positions; None before the first call.
            memory: the result of `memory_cache`.
            mask: booleans [new, past + new].
            memory_mask: booleans [new, S].
            angles: rotary angles of the new positions.
            bias: added to the scores of self-attention, [heads, new, past + new].
        """
        a, own = self.attention.extend(self.sublayer_input(x, self.attention_norm), mask, angles, own, bias)
        x = self.add(x, a, self.attention_norm)
        a = self.cross.attend_to(self.cross.queries(self.sublayer_input(x, self.cross_norm), None), memory, memory_mask)
        return self.add_feed_forward(self.add(x, a, self.cross_norm)), own

    def memory_cache(self, memory: Tensor) -> Cache:
        """Return the keys and values of a memory [S, width]."""
        return Cache(*self.cross.keys_values(memory, None))


@dataclass
class DecoderState:
    """The cache of incremental decoding."""

    past: Past  # the positions processed so far
    layers: list[Cache]  # keys and values of each layer
    memory: list[Cache]  # keys and values of the memory in each layer


class TransformerDecoder(Decoder):
    """A stack of decoder blocks, [T, embedding width] -> [T, width]. Supports every attention order."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: TransformerSettings):
        super().__init__()
        self.settings, self.width = settings, settings.width
        layers = settings.decoder_layers or settings.layers
        self.embedding_norm = build_norm(settings, settings.embedding_dim) if settings.embedding_norm else nn.Identity()
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width, settings.bias)
        self.order = settings.blocks_of(layers)
        self.blocks = nn.ModuleList(DecoderBlock(settings, i) for i in range(self.order[-1] + 1))
        self.final_norm = nn.Identity() if settings.post_norm else build_norm(settings, settings.width)
        self.relative = build_relative_positions(settings, bidirectional=False)
        self.windows = [settings.window_of(i) for i in range(layers)]

    def stack(self) -> Sequence[nn.Module]:
        return tuple(self.blocks)

    def forward(
        self, x: Tensor, stream: Stream, memory: Memory, layout: Layout | None = None, cross: CrossLayout | None = None
    ) -> Tensor:
        """Return the hidden states [T, width]; `layout` and `cross` override the choice of the implementations."""
        check_same_count(stream, memory.stream)
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
        cross = cross or cross_layout_of(stream, memory.stream)
        angles = angles_by_window(self.settings, stream, self.windows)
        bias = None if self.relative is None else layout.score_bias(self.relative)
        for index, window in zip(self.order, self.windows, strict=True):
            x = self.blocks[index](x, memory.hidden, layout, cross, angles[window], bias)
        return self.final_norm(x)

    def extend(
        self, x: Tensor, stream: Stream, state: DecoderState | None, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
        """Return the hidden states [new, width] of new positions and the updated state.

        The keys and values of the memory are computed in the first call and kept in the state.
        """
        check_same_count(stream, memory.stream)
        if state is None:
            cached = [self.blocks[index].memory_cache(memory.hidden) for index in self.order]  # type: ignore[operator]
            state = DecoderState(Past.empty(stream), [], cached)
        past = state.past.extend(stream)
        masks = {w: extension_mask(stream, state.past, w) for w in dict.fromkeys(self.windows)}
        memory_mask = cross_mask(stream, memory.stream)
        angles, caches = angles_by_window(self.settings, stream, self.windows), []
        bias = None if self.relative is None else self.relative(stream.inputs["position"], past.position)
        x = self.embedding_map(self.embedding_norm(x))
        for i, (index, window) in enumerate(zip(self.order, self.windows, strict=True)):
            own = state.layers[i] if state.layers else None
            x, cache = self.blocks[index].extend(
                x, own, state.memory[i], masks[window], memory_mask, angles[window], bias
            )  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), DecoderState(past, caches, state.memory)
