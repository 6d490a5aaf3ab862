"""The settings of a Transformer. All other modules of this package import this one; it imports none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from danlu.architecture import Architecture

Norm = Literal["rms", "layer"]
Positions = Literal["rotary", "learned", "relative"]
Activation = Literal["gelu", "gelu_tanh", "silu", "relu", "relu2"]


class TransformerSettings(Architecture):
    """The settings of a Transformer, and sizes derived from them."""

    renamed: ClassVar[Mapping[str, str]] = {
        "hidden": "ffn_dim",
        "head_width": "head_dim",
        "head_norm": "qk_norm",
        "buckets": "relative_buckets",
        "farthest": "max_relative_distance",
    }

    name: str
    layers: PositiveInt = Field(6, description="Number of layers.")
    width: PositiveInt = Field(256, description="Hidden size: width of the hidden states.")
    embedding_width: PositiveInt | None = Field(
        None,
        description="Width of the embeddings, projected to `width` by a linear layer (Lan et al. 2020). None: `width`.",
    )
    shared_layers: PositiveInt | None = Field(
        None,
        description="Number of distinct blocks; each is shared by a group of consecutive layers (Lan et al. 2020). "
        "None: every layer has its own block.",
    )
    heads: PositiveInt = Field(4, description="Number of query heads.")
    kv_heads: PositiveInt | None = Field(
        None, description="Number of key and value heads (grouped-query attention). None: as many as `heads`."
    )
    head_dim: PositiveInt | None = Field(None, description="Width of each head. None: `width` / `heads`.")
    ffn_dim: PositiveInt | None = Field(
        None,
        description="Width of the feed-forward layers. None: 4 x `width`, or 8/3 x `width` rounded up to a multiple of "
        "64 if `gated`, which has about as many parameters.",
    )
    context: PositiveInt = Field(256, description="Length in tokens of the longest sequence.")
    norm: Norm = Field("rms", description="Normalisation: RMS norm or layer norm.")
    epsilon: float = Field(1e-6, description="Added to the denominator of every norm.")
    norm_bias: bool = Field(False, description="Give layer norms a bias.")
    post_norm: bool = Field(
        False, description="Normalise after each residual sum, as in BERT, instead of before each sublayer."
    )
    qk_norm: bool = Field(False, description="Normalise the queries and keys of each head.")
    embedding_norm: bool = Field(False, description="Normalise the embeddings.")
    first_norm: bool = Field(True, description="Normalise before the attention of the first layer.")
    positions: Positions = Field(
        "rotary", description="Position encoding: rotary, learned embeddings, or relative biases of the scores."
    )
    position_offset: NonNegativeInt = Field(0, description="Row of position 0 in the table of learned positions.")
    relative_buckets: int = Field(32, ge=4, multiple_of=4, description="Number of buckets of relative distances.")
    max_relative_distance: PositiveInt = Field(
        128, description="Distance in tokens; all distances from this one on share the last bucket."
    )
    segments: NonNegativeInt = Field(0, description="Number of segment embeddings; 0 for none.")
    theta: float = Field(10000.0, description="Base of the rotary angles.")
    window: PositiveInt | None = Field(
        None,
        description="Local attention: the distance in tokens up to which positions attend to each other, except in "
        "every `global_every`-th layer. None: all layers are global.",
    )
    global_every: PositiveInt = Field(
        3, description="With `window`, every `global_every`-th layer has global attention, starting with the first."
    )
    local_theta: float | None = Field(
        None, description="Base of the rotary angles in layers with a window. None: `theta`."
    )
    gated: bool = Field(True, description="Gated feed-forward layers (Shazeer 2020).")
    activation: Activation = Field("silu", description="Activation function of the feed-forward layers.")
    bias: bool = Field(False, description="Give linear layers a bias.")
    tied: bool = Field(True, description="Use the token embeddings as output embeddings.")
    output_bias: bool = Field(False, description="Add a bias for each vocabulary entry to the logits.")
    scaled_attention: bool = Field(True, description="Divide attention scores by the square root of the head width.")
    scaled_embeddings: bool = Field(False, description="Multiply token embeddings by the square root of `width`.")
    scaled_head: bool = Field(
        False, description="Divide hidden states by the square root of `width` before the logits are computed."
    )
    decoder_layers: PositiveInt | None = Field(
        None, description="Number of layers of the decoder, where an objective needs one. None: as many as `layers`."
    )
    shared_embeddings: bool = Field(True, description="Encoder and decoder share the token embeddings.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout probability of the sublayers' outputs.")

    @model_validator(mode="after")
    def _check(self) -> TransformerSettings:
        if self.head_dim is None and self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of heads {self.heads}; set head_dim or change one")
        if self.heads % self.num_kv_heads:
            raise ValueError(f"heads {self.heads} is not a multiple of kv_heads {self.kv_heads}; change one")
        if self.norm_bias and self.norm == "rms":
            raise ValueError("norm_bias: an RMS norm has no bias; set norm: layer or norm_bias: false")
        if self.position_offset and self.positions != "learned":
            raise ValueError(
                "position_offset: applies to learned positions only; set positions: learned or leave it out"
            )
        if self.head_size % 2 and self.positions == "rotary":
            raise ValueError(f"rotary positions need an even head width, not {self.head_size}; set head_dim")
        if self.shared_layers and (self.window or not (self.first_norm or self.post_norm)):
            raise ValueError(
                "shared_layers: layers that share a block cannot differ; leave out window and first_norm: false"
            )
        if self.positions == "relative" and self.window:
            raise ValueError("window: not supported with relative positions; leave it out")
        if self.max_relative_distance <= self.relative_buckets // 2:
            raise ValueError(
                f"max_relative_distance {self.max_relative_distance} must be greater than half of relative_buckets, "
                f"{self.relative_buckets // 2}"
            )
        return self

    @property
    def num_kv_heads(self) -> int:
        """Number of key and value heads."""
        return self.kv_heads or self.heads

    @property
    def head_size(self) -> int:
        """Width of each head."""
        return self.head_dim or self.width // self.heads

    @property
    def ffn_width(self) -> int:
        """Width of the feed-forward layers."""
        return self.ffn_dim or (-(-8 * self.width // 3 // 64) * 64 if self.gated else 4 * self.width)

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    def blocks_of(self, layers: int) -> tuple[int, ...]:
        """Return the index of the block of each layer in a stack of `layers` layers."""
        blocks = min(self.shared_layers or layers, layers)
        return tuple(int(layer / (layers / blocks)) for layer in range(layers))  # the rounding of transformers' ALBERT

    @property
    def block_indices(self) -> tuple[int, ...]:
        """The index of the block of each layer."""
        return self.blocks_of(self.layers)

    def window_of(self, layer: int) -> int | None:
        """Return the window of a layer, counted from 0; None for global attention."""
        return None if layer % self.global_every == 0 else self.window

    def theta_of(self, window: int | None) -> float:
        """Return the base of the rotary angles in layers with that window."""
        return self.theta if window is None else self.local_theta or self.theta
