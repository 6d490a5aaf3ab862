"""A recurrent decoder: left to right, with attention to a memory (Sutskever et al. 2014; Luong et al. 2015)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from danlu.architecture import Decoder
from danlu.architectures.even_steps import Steps
from danlu.architectures.packed_steps import packed_order, stepped
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Memory, Stream


class MemoryAttention(nn.Module):
    """Luong's attention with the "general" score: of sequence k, position i looks at every position j of the memory's
    sequence k by a softmax of h_i W m_j, here over the root of the width, and becomes tanh(V [c_i; h_i]) where c_i is
    the mean of the memory under these weights. Unlike Bahdanau's (2015) it asks with the state after a step and does
    not feed the answer to the next, so all steps of the cells run in one call."""

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width, bias=False)

    def forward(self, hidden: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """[T, width], [S, width] -> [T, width]."""
        asked, at = in_rows(self.score(hidden) * hidden.shape[1] ** -0.5, stream)
        kept, _ = in_rows(memory.hidden, memory.stream)
        filled = torch.arange(kept.shape[1], device=kept.device) < memory.stream.offsets.diff()[:, None]
        weights = (asked @ kept.mT).masked_fill(~filled[:, None], float("-inf")).softmax(-1)
        context = (weights @ kept)[at]
        return torch.tanh(self.join(torch.cat([context, hidden], 1)))


def in_rows(x: Tensor, stream: Stream) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """[T, width] -> [N, longest, width], zeros behind shorter sequences, and the (row, column) [T] of each position;
    only attention sees this padding."""
    row = stream.sequence
    column = torch.arange(len(x), device=x.device) - stream.offsets[row]
    rows = x.new_zeros(len(stream), max(stream.lengths), x.shape[1])
    return rows.index_put((row, column), x), (row, column)


class RecurrentDecoder(Decoder):
    """[T, width] -> [T, width] beside a memory [S, width] of as many sequences.

    The cells begin from tanh of a linear map of the memory's mean (for Bahdanau et al. it is the encoder's state at the
    first word), read the stream from left to right, and attend to the memory after the last layer.
    """

    def __init__(self, cells: nn.RNNBase, width: int, embedding_map: nn.Module):
        super().__init__()
        self.offers = frozenset({"causal"})
        self.embedding_map = embedding_map
        self.width = width
        self.cells = cells
        self.tensors = 2 if isinstance(cells, nn.LSTM) else 1
        self.begin = nn.Linear(width, self.tensors * cells.num_layers * width)
        self.attention = MemoryAttention(width)
        self.norm = RMSNorm(width, eps=1e-6)

    def first_state(self, memory: Memory) -> Any:
        """[layers, N, width], for an LSTM two of them (what it shows and its cell)."""
        mean = memory.stream.mean(memory.hidden)
        begun = torch.tanh(self.begin(mean)).view(len(mean), self.tensors, -1, self.width)
        found = tuple(begun[:, k].transpose(0, 1).contiguous() for k in range(self.tensors))
        return found if self.tensors > 1 else found[0]

    def entered(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """ValueError when the memory has another number of sequences than the stream."""
        if len(stream) != len(memory.stream):
            raise ValueError(f"{len(stream)} sequences are decoded beside a memory of {len(memory.stream)}")
        return self.embedding_map(x)

    def forward(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        x = self.entered(x, stream, memory)
        if not len(stream):
            return x
        hidden = Steps(stream)(self.cells, x, self.first_state(memory))
        return self.norm(self.attention(hidden, stream, memory))

    def extend(self, x: Tensor, stream: Stream, state: Any, memory: Memory) -> tuple[Tensor, Any]:
        """`state` is that of the cells, for the same sequences as the memory's; None at their beginning."""
        x = self.entered(x, stream, memory)
        if not len(stream):
            return x, state
        if state is None:
            state = self.first_state(memory)
        hidden, state = stepped(self.cells, x, packed_order(stream), state)
        return self.norm(self.attention(hidden, stream, memory)), state
