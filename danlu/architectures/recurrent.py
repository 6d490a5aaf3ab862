"""Recurrent networks: Elman's (1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architecture import Architecture, Backbone
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.even_steps import Steps
from danlu.architectures.packed_steps import packed_order, stepped
from danlu.architectures.recurrent_decoder import RecurrentDecoder
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Stream
from danlu.registry import architectures

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@architectures.register
class Recurrent(Architecture):
    """Layers of one cell, left to right, or in both directions with half the width each; then an RMS norm.

    One direction is a language model's (causal), two an encoder's (full). `context` is the longest sequence it is
    trained on; short ones (64) give more sequences at once, which is what a recurrent network's speed lives on.
    dropout: between the layers, so that a single one has none. Embeddings of an `embedding_width` of their own are
    mapped into the width first. Objectives that need a decoder get one of the same cell and layers, left to right, that
    attends to what the layers here have read (recurrent_decoder.py).
    """

    name: Literal["recurrent"] = "recurrent"
    cell: Literal["rnn", "lstm", "gru"] = "lstm"
    directions: Literal["forward", "both"] = "forward"
    layers: PositiveInt = 2
    width: PositiveInt = 256
    embedding_width: PositiveInt | None = None
    context: PositiveInt = 64
    tied: bool = True
    dropout: float = Field(default=0.0, ge=0, lt=1)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"directions": "forward"}, {"directions": "both"})

    @model_validator(mode="after")
    def _halves(self) -> Recurrent:
        if self.directions == "both" and self.width % 2:
            raise ValueError(f"two directions share the width, so it must be even, not {self.width}")
        return self

    @property
    def embedding_dim(self) -> int:
        return self.embedding_width or self.width

    def build(self) -> RecurrentBackbone:
        return RecurrentBackbone(self)

    def build_decoder(self) -> RecurrentDecoder:
        return RecurrentDecoder(
            self.cells(both=False), self.width, embedding_projection(self.embedding_width, self.width)
        )

    def cells(self, both: bool) -> nn.RNNBase:
        """The layers of cells; two directions have half the width each."""
        made = CELLS[self.cell](
            self.width,
            self.width // (2 if both else 1),
            self.layers,
            dropout=self.dropout if self.layers > 1 else 0.0,
            bidirectional=both,
        )
        if self.cell == "lstm":
            open_forget_gates(made)
        return made


@torch.no_grad()
def open_forget_gates(cells: nn.RNNBase) -> None:
    """Forget gates of an LSTM that begin open (Jozefowicz et al. 2015): a quarter of each bias, the second."""
    for name, bias in cells.named_parameters():
        if name.startswith("bias_ih"):
            bias.view(4, -1)[1].fill_(1.0)


class RecurrentBackbone(Backbone):
    """[T, embedding width] -> [T, width] over ragged sequences."""

    def __init__(self, settings: Recurrent):
        super().__init__()
        both = settings.directions == "both"
        self.offers = frozenset({"full"} if both else {"causal"})
        self.width = settings.width
        self.embedding_map = embedding_projection(settings.embedding_width, settings.width)
        self.cells = settings.cells(both)
        self.norm = RMSNorm(settings.width, eps=1e-6)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        x = self.embedding_map(x)
        return self.norm(Steps(stream)(self.cells, x)) if len(stream) else x

    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
        """`state` is torch's, [layers, N, width] for each of the same N sequences."""
        x = self.embedding_map(x)
        if not len(stream):
            return x, state
        x, state = stepped(self.cells, x, packed_order(stream), state)
        return self.norm(x), state
