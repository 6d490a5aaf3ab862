"""Recurrent networks: Elman networks (1990), LSTM (Hochreiter & Schmidhuber 1997), GRU (Cho et al. 2014).

Shapes: T positions of a stream, N sequences of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.architecture import Architecture, Backbone
from danlu.architectures.embedding_tables import embedding_projection
from danlu.architectures.length_groups import CellRunner
from danlu.architectures.packed_steps import packed_order, run_packed
from danlu.architectures.recurrent_decoder import RecurrentDecoder
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Stream
from danlu.registry import architectures

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@architectures.register
class Recurrent(Architecture):
    """Recurrent layers (Elman 1990; LSTM, Hochreiter & Schmidhuber 1997; GRU, Cho et al. 2014) and an RMS norm.

    The decoder, for objectives that need one, is a forward network with the same cell and number of layers and with
    attention to the backbone's hidden states (Luong et al. 2015).
    """

    name: Literal["recurrent"] = "recurrent"
    cell: Literal["rnn", "lstm", "gru"] = Field("lstm", description="Kind of recurrent cell.")
    directions: Literal["forward", "both"] = Field(
        "forward",
        description="forward is causal (language model); both is bidirectional (encoder), with half the width for each "
        "direction.",
    )
    layers: PositiveInt = Field(2, description="Number of layers.")
    width: PositiveInt = Field(256, description="Hidden size: width of the hidden states.")
    embedding_width: PositiveInt | None = Field(
        None, description="Width of the embeddings; a linear layer projects them to `width`. None: `width`."
    )
    context: PositiveInt = Field(
        64,
        description="Length in tokens of the longest sequence. Short sequences are faster, since more of them run in "
        "parallel.",
    )
    tied: bool = Field(True, description="Use the token embeddings as output embeddings.")
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Dropout probability between layers; a single layer has no dropout."
    )

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"directions": "forward"}, {"directions": "both"})

    @model_validator(mode="after")
    def _check(self) -> Recurrent:
        if self.directions == "both" and self.width % 2:
            raise ValueError(f"width must be even with directions: both, not {self.width}")
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
        """Create the recurrent layers; in a bidirectional layer each direction has half the width."""
        cells = CELLS[self.cell](
            self.width,
            self.width // (2 if both else 1),
            self.layers,
            dropout=self.dropout if self.layers > 1 else 0.0,
            bidirectional=both,
        )
        if self.cell == "lstm":
            open_forget_gates(cells)
        return cells


@torch.no_grad()
def open_forget_gates(cells: nn.RNNBase) -> None:
    """Set the forget gate biases of an LSTM, the second quarter of each bias, to 1 (Jozefowicz et al. 2015)."""
    for name, bias in cells.named_parameters():
        if name.startswith("bias_ih"):
            bias.view(4, -1)[1].fill_(1.0)


class RecurrentBackbone(Backbone):
    """Recurrent layers over ragged sequences, [T, embedding width] -> [T, width]."""

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
        return self.norm(CellRunner(stream)(self.cells, x)) if len(stream) else x

    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
        """Return the hidden states of new positions and PyTorch's state [layers, N, width].

        All calls with one state must have the same N sequences.
        """
        x = self.embedding_map(x)
        if not len(stream):
            return x, state
        x, state = run_packed(self.cells, x, packed_order(stream), state)
        return self.norm(x), state
