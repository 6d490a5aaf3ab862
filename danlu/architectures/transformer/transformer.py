"""The pre-norm Transformer and the settings that choose its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import NonNegativeInt, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architectures.embedders import entrance
from danlu.architectures.transformer.attention import Attention, Cache, Known, extension_mask
from danlu.architectures.transformer.feed_forward import Gated, Plain
from danlu.architectures.transformer.layout import Layout, layout_of
from danlu.architectures.transformer.norms import NORMS
from danlu.architectures.transformer.orders import product_dtype
from danlu.architectures.transformer.positions import PositionEmbedding, rotary_angles
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
    embedding_width: of the embeddings, mapped into the width behind their norm; None: the width itself. shared_layers:
    so many blocks, each of which a group of layers, one after another, has in common (1: all layers are one block);
    None: each layer has its own (both Lan et al. 2020).
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
    positions: Literal["rotary", "learned"] = "rotary"
    position_offset: NonNegativeInt = 0
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
        if self.shared_layers and (self.window or not (self.first_norm or self.post_norm)):
            raise ValueError(
                "shared_layers: layers that share a block are alike; leave out window and first_norm: false"
            )
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

    @property
    def block_numbers(self) -> tuple[int, ...]:
        """The block of each layer."""
        blocks = min(self.shared_layers or self.layers, self.layers)
        return tuple(layer * blocks // self.layers for layer in range(self.layers))

    def window_of(self, layer: int) -> int | None:
        """How far layer number `layer` (from 0) sees; None without bound."""
        return None if layer % self.global_every == 0 else self.window

    def theta_of(self, window: int | None) -> float:
        """The base of the rotary angles in layers with that window."""
        return self.theta if window is None else self.local_theta or self.theta

    def build(self) -> TransformerBackbone:
        return TransformerBackbone(self)

    def embedders(self) -> dict[str, nn.Embedding]:
        """Embeddings this architecture wants summed to the tokens', by input name."""
        tables: dict[str, nn.Embedding] = {}
        width = self.embedding_width or self.width
        if self.positions == "learned":
            tables["position"] = PositionEmbedding(self.context, width, self.position_offset)
        if self.segments:
            tables["segment"] = nn.Embedding(self.segments, width)
        return tables


def norm_of(settings: Transformer, width: int) -> nn.Module:
    return NORMS[settings.norm](width, settings.epsilon, settings.norm_bias)


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)); with post_norm norm(x + attention(x)), then
    norm(x + feed_forward(x)). [T, width] -> [T, width]."""

    def __init__(self, settings: Transformer, layer: int):
        super().__init__()
        self.post_norm = settings.post_norm
        unnormed = layer == 0 and not settings.first_norm and not settings.post_norm
        self.attention_norm = nn.Identity() if unnormed else norm_of(settings, settings.width)
        d = settings.each_head
        head_norms = (norm_of(settings, d), norm_of(settings, d)) if settings.head_norm else None
        window = settings.window_of(layer)
        self.attention = Attention(
            settings.width, settings.heads, settings.groups, d, settings.bias, head_norms, window
        )
        self.feed_forward_norm = norm_of(settings, settings.width)
        kind = Gated if settings.gated else Plain
        self.feed_forward = kind(settings.width, settings.inner, settings.activation, settings.bias)
        self.drop = nn.Dropout(settings.dropout)
        self.initialise()

    def initialise(self) -> None:
        """Normal weights of standard deviation 1/sqrt(inputs); the last map of each half starts at zero, so that a
        block begins as the identity (Zhang et al. 2019)."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=module.in_features**-0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.zeros_(self.attention.out.weight)
        nn.init.zeros_(self.feed_forward.down.weight)

    def forward(self, x: Tensor, layout: Layout, angles: tuple[Tensor, Tensor] | None) -> Tensor:
        if self.post_norm:
            x = self.attention_norm(x + self.drop(self.attention(x, layout, angles)))
            return self.feed_forward_norm(x + self.drop(self.feed_forward(x)))
        x = x + self.drop(self.attention(self.attention_norm(x), layout, angles))
        return x + self.drop(self.feed_forward(self.feed_forward_norm(x)))

    def extend(
        self, x: Tensor, mask: Tensor, angles: tuple[Tensor, Tensor] | None, known: Cache | None
    ) -> tuple[Tensor, Cache]:
        """As `forward`, for new positions only, and without dropout."""
        a, cache = self.attention.extend(x if self.post_norm else self.attention_norm(x), mask, angles, known)
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
    """[T, embedding width] -> [T, width]; honours every case of rule 1."""

    offers = frozenset({"causal", "full", "any"})

    def __init__(self, settings: Transformer):
        super().__init__()
        self.settings = settings
        self.width = settings.width
        narrow = settings.embedding_width or settings.width
        self.embedding_norm = norm_of(settings, narrow) if settings.embedding_norm else nn.Identity()
        self.embedding_map = entrance(settings.embedding_width, settings.width, settings.bias)
        self.order = settings.block_numbers
        self.blocks = nn.ModuleList(Block(settings, i) for i in range(self.order[-1] + 1))
        self.final_norm = nn.Identity() if settings.post_norm else norm_of(settings, settings.width)

        self.windows = [settings.window_of(i) for i in range(settings.layers)]

    def angles(self, stream: Stream) -> dict[int | None, tuple[Tensor, Tensor] | None]:
        """By window, for the layers that have it."""
        position, width = stream.inputs["position"], self.settings.each_head
        if self.settings.positions != "rotary":
            return dict.fromkeys(self.windows)
        return {w: rotary_angles(position, width, self.settings.theta_of(w)) for w in dict.fromkeys(self.windows)}

    def forward(self, x: Tensor, stream: Stream, layout: Layout | None = None) -> Tensor:
        """`layout` overrides the fast attention (tests pass the reference)."""
        x = self.embedding_map(self.embedding_norm(x))
        if not len(stream):
            return x
        layout = layout or layout_of(
            stream, tuple(dict.fromkeys(self.windows)), self.settings.each_head, product_dtype(x)
        )
        angles = self.angles(stream)
        for number, window in zip(self.order, self.windows, strict=True):
            x = self.blocks[number](x, layout, angles[window])
        return self.final_norm(x)

    def extend(self, x: Tensor, stream: Stream, state: State | None) -> tuple[Tensor, State]:
        if state is None:
            nothing = torch.empty(0, dtype=torch.int64, device=stream.key.device)
            state = State(Known(nothing, nothing, nothing), [])
        masks = {w: extension_mask(stream, state.known, w) for w in dict.fromkeys(self.windows)}
        angles, caches = self.angles(stream), []
        x = self.embedding_map(self.embedding_norm(x))
        for i, (number, window) in enumerate(zip(self.order, self.windows, strict=True)):
            cached = state.layers[i] if state.layers else None
            x, cache = self.blocks[number].extend(x, masks[window], angles[window], cached)  # type: ignore[operator]
            caches.append(cache)
        return self.final_norm(x), State(state.known.grown(stream), caches)
