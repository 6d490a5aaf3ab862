"""A bag of vectors: the embedding of each token and nothing else. Word vectors live here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import PositiveInt
from torch import Tensor

from danlu.architecture import Architecture, Backbone
from danlu.batch import Stream
from danlu.registry import architectures


@architectures.register
class Bag(Architecture):
    """The hidden state of a position is its embedding, whatever stands around it.

    It offers the orders in which that is of use: pointwise (word vectors), and causal, where it foretells a token from
    the one before it and is a bigram model of low rank. Not full: a hidden token has no vector to be told by. A bigram
    is not symmetric, so the vocabulary head has weights of its own unless it is `tied`; word vectors need none and are
    best tied. `context`: the longest text that is read at once; it costs nothing.
    """

    name: Literal["bag"] = "bag"
    width: PositiveInt = 128
    context: PositiveInt = 4096
    tied: bool = False

    exempt: ClassVar[Mapping[str, str]] = {
        "context reaches a position": "each position of a bag is a function of its own token alone"
    }

    def build(self) -> BagBackbone:
        return BagBackbone(self.width)


class BagBackbone(Backbone):
    """The identity. [T, width] -> [T, width]."""

    offers = frozenset({"causal", "pointwise"})

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        return x

    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, None]:
        """New positions need to know nothing of the old ones."""
        return x, None
