"""Layouts of self-attention over a ragged stream for fast kernels; the reference is `Stream.attention_mask`.

A layout is built once per stream and shared by all layers. All layouts are equivalent to `Dense`. In a layer with a
window, positions attend to those that rule 1 allows and whose distance is at most the window. `layout_of` returns the
fastest layout of the device that supports the stream; it decides by `orders.Case`, which is computed on the CPU.

Shapes: T positions of a stream, L positions of a row, d the width of a head.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor

from danlu.architectures.transformer import flex, varlen
from danlu.architectures.transformer.cores import as_bias, fused_attention, plain_attention, prefer_plain
from danlu.architectures.transformer.flex import Flex
from danlu.architectures.transformer.orders import Case, case_of
from danlu.architectures.transformer.relative import RelativePositions
from danlu.architectures.transformer.varlen import Varlen
from danlu.batch import Stream, to_device

ROW = 256
"""Length of rows into which short sequences are packed; rows are as long as the longest sequence if it is longer."""


class Layout(Protocol):
    """The arrangement of a stream for an attention kernel."""

    def __init__(self, stream: Stream, case: Case): ...

    @staticmethod
    def supports(case: Case) -> bool:
        """Whether the layout supports this case."""
        ...

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Attend from query [T, heads, d] to key and value [T, kv_heads, d]; return [T, heads, d].

        `bias` is the result of `score_bias`.
        """
        ...

    def score_bias(self, positions: RelativePositions) -> Tensor:
        """Return the bias of the scores in the shape of this layout, minus infinity where masked."""
        ...


def within_window(position: Tensor, window: int) -> Tensor:
    """Return whether positions [..., L] are at most `window` apart, booleans [..., L, L]."""
    return (position[..., :, None] - position[..., None, :]).abs() <= window


def masked_bias(bias: Tensor, mask: Tensor) -> Tensor:
    """Return `bias` where `mask` is true (broadcast), otherwise minus infinity."""
    return bias.masked_fill(~mask, float("-inf"))


class Dense:
    """The reference implementation with the mask [T, T] of rule 1."""

    def __init__(self, stream: Stream, case: Case | None = None):
        self.allowed, self.position = stream.attention_mask(), stream.inputs["position"]

    @staticmethod
    def supports(case: Case) -> bool:
        return True

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        mask = self.allowed if window is None else self.allowed & within_window(self.position, window)
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return fused_attention(q, k, v, mask if bias is None else bias)[0].transpose(0, 1)

    def score_bias(self, positions: RelativePositions) -> Tensor:
        return masked_bias(positions(self.position, self.position), self.allowed)


class EqualLengths:
    """Sequences of equal length, all causal or all full, without windows: a reshape without a mask."""

    def __init__(self, stream: Stream, case: Case):
        self.sequences, self.causal = len(stream), case.order == "causal"
        device, length = stream.key.device, stream.lengths[0]
        self.use_plain = prefer_plain(device, length)
        self.lower_triangle = (
            torch.ones(length, length, dtype=torch.bool, device=device).tril() if self.causal else None
        )
        self.bias = as_bias(self.lower_triangle) if self.use_plain and self.lower_triangle is not None else None
        self.position, self.host = (
            s.inputs["position"].unflatten(0, (self.sequences, -1)) for s in (stream, stream.host or stream)
        )

    @staticmethod
    def supports(case: Case) -> bool:
        return case.equal_lengths and case.order != "any" and not case.windowed

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        if window is not None:
            raise ValueError("this layout does not support windows")
        q, k, v = (x.unflatten(0, (self.sequences, -1)).transpose(1, 2) for x in (query, key, value))
        if bias is not None:
            out = (plain_attention if self.use_plain else fused_attention)(q, k, v, bias)
        else:
            out = plain_attention(q, k, v, self.bias) if self.use_plain else fused_attention(q, k, v, None, self.causal)
        return out.transpose(1, 2).flatten(0, 1)

    def score_bias(self, positions: RelativePositions) -> Tensor:
        same_positions = bool((self.host == self.host[0]).all())
        position = self.position[:1] if same_positions else self.position
        bias = positions(position, position)
        return bias if self.lower_triangle is None else masked_bias(bias, self.lower_triangle)


class RowIndex:
    """Index between the positions of a stream and rows of complete sequences.

    Attributes:
        shape: (rows, L), where L is the length of the longest row.
        gather: the position at each entry of the rows, 0 for padding, [rows * L].
        scatter: the entry of each position, [T].
        real: whether an entry is not padding, booleans [rows, L].
    """

    def __init__(self, stream: Stream, rows: list[list[int]]):
        device = stream.key.device
        self.shape = (len(rows), max(sum(stream.lengths[s] for s in row) for row in rows))
        starts = [0, *accumulate(stream.lengths)]
        gather = torch.full(self.shape, -1, dtype=torch.int64)
        for r, row in enumerate(rows):
            at = torch.cat([torch.arange(starts[s], starts[s] + stream.lengths[s]) for s in row])
            gather[r, : len(at)] = at
        real = gather >= 0
        scatter = torch.empty(len(stream.key), dtype=torch.int64)
        scatter[gather[real]] = real.flatten().nonzero().squeeze(1)
        self.gather, self.scatter = to_device(gather.clamp(min=0).flatten(), device), to_device(scatter, device)
        self.real = to_device(real, device)


class Rows:
    """Complete sequences packed into rows of about equal length, with a block mask.

    Padding exists only inside the attention operator. A padding position attends to itself only, so that the softmax
    is defined, and no real position attends to it.
    """

    def __init__(self, stream: Stream, case: Case | None = None):
        device = stream.key.device
        index = RowIndex(stream, fill_rows(stream.lengths, ROW))
        self.shape, self.gather, self.scatter, real = index.shape, index.gather, index.scatter, index.real
        row_positions = self.gather.view(self.shape)
        sequence = stream.sequence[row_positions].masked_fill(~real, -1)
        key, query = stream.key[row_positions], stream.query[row_positions]
        same = (sequence[:, :, None] == sequence[:, None, :]) & real[:, None, :]
        diagonal = torch.eye(self.shape[1], dtype=torch.bool, device=device)
        self.allowed = (same & (key[:, None, :] <= query[:, :, None])) | diagonal
        self.position = stream.inputs["position"][row_positions]
        self.use_plain = prefer_plain(device, self.shape[1])
        self._masks: dict[int | None, Tensor] = {}

    @staticmethod
    def supports(case: Case) -> bool:
        return True

    def mask(self, window: int | None) -> Tensor:
        """Return the mask [rows, 1, L, L] of a window, as booleans or as a bias, depending on the kernel."""
        if window not in self._masks:
            mask = self.allowed if window is None else self.allowed & within_window(self.position, window)
            self._masks[window] = (as_bias(mask) if self.use_plain else mask)[:, None]
        return self._masks[window]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = (
            ToRows.apply(x, self.gather, self.scatter).unflatten(0, self.shape).transpose(1, 2)  # type: ignore[union-attr]
            for x in (query, key, value)
        )
        out = (plain_attention if self.use_plain else fused_attention)(
            q, k, v, self.mask(window) if bias is None else bias
        )
        return FromRows.apply(out.transpose(1, 2).flatten(0, 1), self.gather, self.scatter)  # type: ignore[return-value]

    def score_bias(self, positions: RelativePositions) -> Tensor:
        return masked_bias(positions(self.position, self.position), self.allowed[:, None])


class ToRows(torch.autograd.Function):
    """Arrange a stream in rows, `x[gather]`: [T, ...] -> [rows * L, ...].

    Every position has exactly one real entry, so its gradient is read by index instead of being summed over entries.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gather: Tensor, scatter: Tensor) -> Tensor:
        ctx.save_for_backward(scatter)
        return x.index_select(0, gather)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (scatter,) = ctx.saved_tensors
        return grads[0].index_select(0, scatter), None, None


class FromRows(torch.autograd.Function):
    """Invert `ToRows`, `x[scatter]`: [rows * L, ...] -> [T, ...]. Padding gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gather: Tensor, scatter: Tensor) -> Tensor:
        ctx.save_for_backward(scatter)
        ctx.entries = len(gather)
        return x.index_select(0, scatter)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (scatter,) = ctx.saved_tensors
        zeros = grads[0].new_zeros(ctx.entries, *grads[0].shape[1:])
        return zeros.index_copy_(0, scatter, grads[0]), None, None


def fill_rows(lengths: tuple[int, ...], capacity: int) -> list[list[int]]:
    """Pack sequences into rows by first-fit decreasing; return the indices of the sequences in each row."""
    capacity = max(capacity, *lengths)
    rows: list[list[int]] = []
    free: list[int] = []
    for s in sorted(range(len(lengths)), key=lambda s: (-lengths[s], s)):
        for r, space in enumerate(free):
            if space >= lengths[s]:
                rows[r].append(s)
                free[r] -= lengths[s]
                break
        else:
            rows.append([s])
            free.append(capacity - lengths[s])
    return rows


def layouts_on(device: torch.device) -> list[type[Layout]]:
    """Return the layouts that are available on a device, from the fastest; the last supports every case."""
    layouts: list[type[Layout]] = [EqualLengths]
    layouts += [Varlen] if varlen.available(device) else []
    layouts += [Flex] if flex.available(device) else []
    return [*layouts, Rows]


def layout_of(
    stream: Stream,
    windows: tuple[int | None, ...] = (None,),
    head_dim: int = 64,
    dtype: torch.dtype = torch.float32,
    biased: bool = False,
) -> Layout:
    """Return the fastest layout for a stream on its device.

    Args:
        stream: the stream.
        windows: the windows of the layers; None for global attention.
        head_dim: width of a head.
        dtype: dtype of queries, keys and values.
        biased: whether a bias is added to the scores.
    """
    case = case_of(stream, windows, head_dim, dtype, biased)
    return next(layout for layout in layouts_on(stream.key.device) if layout.supports(case))(stream, case)
