"""The Transformer as an architecture of recipes."""

from __future__ import annotations

from typing import Literal

from torch import nn

from danlu.architecture import HeadStyle
from danlu.architectures.transformer.backbone import TransformerBackbone
from danlu.architectures.transformer.decoder import TransformerDecoder
from danlu.architectures.transformer.feed_forward import ACTIVATIONS
from danlu.architectures.transformer.positions import PositionEmbedding
from danlu.architectures.transformer.settings import TransformerSettings
from danlu.registry import architectures


@architectures.register
class Transformer(TransformerSettings):
    """A Transformer (Vaswani et al. 2017), by default with pre-norm blocks as in Llama (Touvron et al. 2023).

    The decoder, for objectives that need one, has the same parts and also attends to the backbone's hidden states.
    """

    name: Literal["transformer"] = "transformer"

    def build(self) -> TransformerBackbone:
        return TransformerBackbone(self)

    def build_decoder(self) -> TransformerDecoder:
        return TransformerDecoder(self)

    def embedding_tables(self) -> dict[str, nn.Embedding]:
        tables: dict[str, nn.Embedding] = {}
        if self.positions == "learned":
            tables["position"] = PositionEmbedding(self.context, self.embedding_dim, self.position_offset)
        if self.segments:
            tables["segment"] = nn.Embedding(self.segments, self.embedding_dim)
        return tables

    def decoder_embedding_tables(self) -> dict[str, nn.Embedding]:
        return {name: table for name, table in self.embedding_tables().items() if name == "position"}

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
