"""The decoder of an encoder-decoder (Vaswani et al. 2017): blocks that look at what they made and at a memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from danlu.architecture import Decoder
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.transformer.attention import Angles, Cache, Known, extension_mask
from danlu.architectures.transformer.cross_layout import CrossLayout, cross_layout_of, pairs, refuse_odd
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
from danlu.architectures.transformer.positions import angles_by_window
from danlu.batch import Memory, Stream

if TYPE_CHECKING:
    from danlu.architectures.transformer.transformer import Transformer


class DecoderBlock(nn.Module):
    """Self-attention, attention to the memory, feed-forward, each added to what came in: before the norm or after, as
    in `Block`. [T, width] -> [T, width]."""

    def __init__(self, settings: Transformer, layer: int):
        super().__init__()
        self.post_norm = settings.post_norm
        self.attention_norm = first_norm_of(settings, layer)
        self.attention = attention_of(settings, settings.window_of(layer))
        self.cross_norm = norm_of(settings, settings.width)
        self.cross = attention_of(settings)
        self.feed_forward_norm = norm_of(settings, settings.width)
        self.feed_forward = feed_forward_of(settings)
        self.drop = nn.Dropout(settings.dropout)
        initialise(self)

    def entered(self, x: Tensor, norm: nn.Module) -> Tensor:
        """What a part is given."""
        return x if self.post_norm else norm(x)

    def added(self, x: Tensor, made: Tensor, norm: nn.Module) -> Tensor:
        """What comes out of a part's half."""
        x = x + self.drop(made)
        return norm(x) if self.post_norm else x

    def fed(self, x: Tensor) -> Tensor:
        return self.added(x, self.feed_forward(self.entered(x, self.feed_forward_norm)), self.feed_forward_norm)

    def forward(
        self, x: Tensor, memory: Tensor, layout: Layout, cross: CrossLayout, angles: Angles, bias: Tensor | None
    ) -> Tensor:
        a = self.attention(self.entered(x, self.attention_norm), layout, angles, bias)
        x = self.added(x, a, self.attention_norm)
        query = self.cross.queries(self.entered(x, self.cross_norm), None)
        a = self.cross.out(cross.attend(query, *self.cross.keys_values(memory, None)).flatten(1))
        return self.fed(self.added(x, a, self.cross_norm))

    def extend(
        self, x: Tensor, own: Cache | None, memory: Cache, mask: Tensor, seen: Tensor, angles: Angles,
        bias: Tensor | None,
    ) -> tuple[Tensor, Cache]:  # fmt: skip
        """As `forward`, for new positions only; `memory` is what `remembered` gave, `seen` [new, S] which of it each
        new position looks at."""
        a, own = self.attention.extend(self.entered(x, self.attention_norm), mask, angles, own, bias)
        x = self.added(x, a, self.attention_norm)
        a = self.cross.look(self.cross.queries(self.entered(x, self.cross_norm), None), memory, seen)
        return self.fed(self.added(x, a, self.cross_norm)), own

    def remembered(self, memory: Tensor) -> Cache:
        """The keys and values of a memory [S, width]."""
        return Cache(*self.cross.keys_values(memory, None))


@dataclass
class DecoderState:
    """What a continuation remembers: what it has read, each layer's cache of it, and each layer's of the memory."""

    known: Known
    layers: list[Cache]
    memory: list[Cache]


class TransformerDecoder(Decoder):
    """[T, embedding width] -> [T, width] beside a memory; honours every case of rule 1 among its own positions."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: Transformer):
        super().__init__()
        self.settings, self.width = settings, settings.width
        layers = settings.decoder_layers or settings.layers
        narrow = settings.embedding_width or settings.width
        self.embedding_norm = norm_of(settings, narrow) if settings.embedding_norm else nn.Identity()
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width, settings.bias)
        self.order = settings.blocks_of(layers)
        self.blocks = nn.ModuleList(DecoderBlock(settings, i) for i in range(self.order[-1] + 1))
        self.final_norm = nn.Identity() if settings.post_norm else norm_of(settings, settings.width)
        self.relative = relative_of(settings, both=False)
        self.windows = [settings.window_of(i) for i in range(layers)]

    def forward(
        self, x: Tensor, stream: Stream, memory: Memory, layout: Layout | None = None, cross: CrossLayout | None = None
    ) -> Tensor:
        """`layout` and `cross` override the fast attention (tests pass the references)."""
        refuse_odd(stream, memory.stream)
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
        cross = cross or cross_layout_of(stream, memory.stream)
        angles = angles_by_window(self.settings, stream, self.windows)
        bias = None if self.relative is None else layout.biased(self.relative)
        for number, window in zip(self.order, self.windows, strict=True):
            x = self.blocks[number](x, memory.hidden, layout, cross, angles[window], bias)
        return self.final_norm(x)

    def extend(
        self, x: Tensor, stream: Stream, state: DecoderState | None, memory: Memory
    ) -> tuple[Tensor, DecoderState]:
        """The memory of a continuation is that of its beginning: later calls read it from the state."""
        refuse_odd(stream, memory.stream)
        if state is None:
            remembered = [self.blocks[number].remembered(memory.hidden) for number in self.order]  # type: ignore[operator]
            state = DecoderState(Known.nothing(stream), [], remembered)
        known = state.known.grown(stream)
        masks = {w: extension_mask(stream, state.known, w) for w in dict.fromkeys(self.windows)}
        seen = pairs(stream, memory.stream)
        angles, caches = angles_by_window(self.settings, stream, self.windows), []
        bias = None if self.relative is None else self.relative(stream.inputs["position"], known.position)
        x = self.embedding_map(self.embedding_norm(x))
        for i, (number, window) in enumerate(zip(self.order, self.windows, strict=True)):
            own = state.layers[i] if state.layers else None
            x, cache = self.blocks[number].extend(x, own, state.memory[i], masks[window], seen, angles[window], bias)  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), DecoderState(known, caches, state.memory)
