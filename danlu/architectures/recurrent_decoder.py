"""A recurrent decoder with attention to a memory (Sutskever et al. 2014; Luong et al. 2015).

Shapes: T positions of the decoder's stream, S positions of the memory, N sequences of either.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from danlu.architecture import Decoder
from danlu.architectures.length_groups import CellRunner
from danlu.architectures.packed_steps import packed_order, run_packed
from danlu.architectures.transformer.norms import RMSNorm
from danlu.batch import Memory, Stream


class MemoryAttention(nn.Module):
    """Luong's global attention with the "general" score, divided by sqrt(width).

    Position i of sequence k attends to every position j of sequence k of the memory with the score h_i W m_j. The
    output is tanh(V [c_i; h_i]), where c_i is the mean of the memory under the softmax of the scores. Unlike in
    Bahdanau et al. (2015), the query is the state after a step and the output is not fed to the next step, so that all
    steps of the cells run in one call.
    """

    def __init__(self, width: int):
        super().__init__()
        self.score = nn.Linear(width, width, bias=False)
        self.join = nn.Linear(2 * width, width, bias=False)

    def forward(self, hidden: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """Attend from hidden states [T, width] to the memory; return [T, width]."""
        query, at = to_padded_rows(self.score(hidden) * hidden.shape[1] ** -0.5, stream)
        key, _ = to_padded_rows(memory.hidden, memory.stream)
        real = torch.arange(key.shape[1], device=key.device) < memory.stream.offsets.diff()[:, None]
        weights = (query @ key.mT).masked_fill(~real[:, None], float("-inf")).softmax(-1)
        context = (weights @ key)[at]
        return torch.tanh(self.join(torch.cat([context, hidden], 1)))


def to_padded_rows(x: Tensor, stream: Stream) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Arrange a stream in one row per sequence, padded with zeros: [T, width] -> [N, longest, width].

    Returns:
        The rows, and the row and column [T] of each position.
    """
    row = stream.sequence
    column = torch.arange(len(x), device=x.device) - stream.offsets[row]
    rows = x.new_zeros(len(stream), max(stream.lengths), x.shape[1])
    return rows.index_put((row, column), x), (row, column)


class RecurrentDecoder(Decoder):
    """Forward recurrent cells followed by attention to the memory, [T, embedding width] -> [T, width].

    The initial state is tanh of a linear map of the mean of the memory; Bahdanau et al. (2015) use the backward state
    at the first word instead.
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

    def initial_state(self, memory: Memory) -> Any:
        """Return the initial state [layers, N, width] of the cells; for an LSTM the hidden and the cell state."""
        mean = memory.stream.mean(memory.hidden)
        state = torch.tanh(self.begin(mean)).view(len(mean), self.tensors, -1, self.width)
        tensors = tuple(state[:, k].transpose(0, 1).contiguous() for k in range(self.tensors))
        return tensors if self.tensors > 1 else tensors[0]

    def project_inputs(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """Return the inputs of the cells [T, width].

        Raises:
            ValueError: if stream and memory differ in the number of sequences.
        """
        if len(stream) != len(memory.stream):
            raise ValueError(f"the decoder's stream has {len(stream)} sequences and its memory {len(memory.stream)}")
        return self.embedding_map(x)

    def forward(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        x = self.project_inputs(x, stream, memory)
        if not len(stream):
            return x
        hidden = CellRunner(stream)(self.cells, x, self.initial_state(memory))
        return self.norm(self.attention(hidden, stream, memory))

    def extend(self, x: Tensor, stream: Stream, state: Any, memory: Memory) -> tuple[Tensor, Any]:
        """Return the hidden states [T, width] of new positions and the updated state of the cells.

        All calls with one state must have the same sequences.
        """
        x = self.project_inputs(x, stream, memory)
        if not len(stream):
            return x, state
        if state is None:
            state = self.initial_state(memory)
        hidden, state = run_packed(self.cells, x, packed_order(stream), state)
        return self.norm(self.attention(hidden, stream, memory)), state
