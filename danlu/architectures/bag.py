"""Word vectors without a network: the hidden state of a token is its embedding."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import Tensor

from danlu.architecture import Architecture, Backbone
from danlu.batch import Stream
from danlu.registry import architectures


@architectures.register
class Bag(Architecture):
    """Word vectors: the hidden state of a position is its embedding, independent of the context.

    With a causal objective it is a low-rank bigram model. It does not support full attention, since a hidden state
    without context cannot predict a masked token.
    """

    name: Literal["bag"] = "bag"
    width: PositiveInt = Field(128, description="Width of the vectors.")
    context: PositiveInt = Field(4096, description="Length in tokens of the longest sequence; it has no cost.")
    tied: bool = Field(
        False,
        description="Use the token embeddings as output embeddings. Recommended for word vectors, which have no output "
        "layer; a bigram model is not symmetric and needs separate output embeddings.",
    )

    exempt: ClassVar[Mapping[str, str]] = {
        "context reaches a position": "the hidden state of a position depends on its own token alone"
    }

    def build(self) -> BagBackbone:
        return BagBackbone(self.width)


class BagBackbone(Backbone):
    """The identity, [T, width] -> [T, width]."""

    offers = frozenset({"causal", "pointwise"})

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        return x

    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, None]:
        return x, None  # new positions do not depend on earlier ones
