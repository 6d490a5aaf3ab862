"""Layouts of self-attention over a ragged stream for fast kernels; the reference is `Stream.attention_mask`.

A layout is built once per stream and shared by all layers. All layouts compute the same as `Dense`. In a layer with a
window, positions attend to those that rule 1 allows and that are at most so far away. `layout_of` returns the first
layout of a device that supports the case, which is known on the CPU (`orders.Case`).

Shapes: T positions of a stream, L positions of a row, d the width of a head.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor

from danlu.architectures.transformer import flex, varlen
from danlu.architectures.transformer.cores import as_bias, fused, plain, prefer_plain
from danlu.architectures.transformer.flex import Flex
from danlu.architectures.transformer.orders import Case, case_of
from danlu.architectures.transformer.relative import RelativePositions
from danlu.architectures.transformer.varlen import Varlen
from danlu.batch import Stream, to_device

ROW = 256
"""Length up to which short sequences are gathered into one row; longer sequences get a row each."""


class Layout(Protocol):
    """How a stream is arranged for an attention kernel."""

    def __init__(self, stream: Stream, case: Case): ...

    @staticmethod
    def supports(case: Case) -> bool:
        """Whether the layout computes the same as the reference in this case."""
        ...

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Attend from query [T, heads, d] to key and value [T, kv_heads, d]; return [T, heads, d].

        `bias` is what `biased` returned.
        """
        ...

    def biased(self, positions: RelativePositions) -> Tensor:
        """Return the bias of the scores in the shape of this layout, minus infinity where masked."""
        ...


def within(position: Tensor, window: int) -> Tensor:
    """Return booleans [..., L, L]: whether positions [..., L] are at most `window` apart."""
    return (position[..., :, None] - position[..., None, :]).abs() <= window


def masked_bias(bias: Tensor, mask: Tensor) -> Tensor:
    """Return `bias` where `mask` is true (broadcast), otherwise minus infinity."""
    return bias.masked_fill(~mask, float("-inf"))


class Dense:
    """The reference: the mask [T, T] of rule 1."""

    def __init__(self, stream: Stream, case: Case | None = None):
        self.allowed, self.position = stream.attention_mask(), stream.inputs["position"]

    @staticmethod
    def supports(case: Case) -> bool:
        return True

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        mask = self.allowed if window is None else self.allowed & within(self.position, window)
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return fused(q, k, v, mask if bias is None else bias)[0].transpose(0, 1)

    def biased(self, positions: RelativePositions) -> Tensor:
        return masked_bias(positions(self.position, self.position), self.allowed)


class Even:
    """Sequences of one length, all causal or all full, without windows: a reshape and no mask."""

    def __init__(self, stream: Stream, case: Case):
        self.sequences, self.causal = len(stream), case.order == "causal"
        device, length = stream.key.device, stream.lengths[0]
        self.plain = prefer_plain(device, length)
        self.below = torch.ones(length, length, dtype=torch.bool, device=device).tril() if self.causal else None
        self.bias = as_bias(self.below) if self.plain and self.below is not None else None
        self.position, self.host = (
            s.inputs["position"].unflatten(0, (self.sequences, -1)) for s in (stream, stream.host or stream)
        )

    @staticmethod
    def supports(case: Case) -> bool:
        return case.even and case.order != "any" and not case.windowed

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        if window is not None:
            raise ValueError("this layout does not support windows")
        q, k, v = (x.unflatten(0, (self.sequences, -1)).transpose(1, 2) for x in (query, key, value))
        if bias is not None:
            out = (plain if self.plain else fused)(q, k, v, bias)
        else:
            out = plain(q, k, v, self.bias) if self.plain else fused(q, k, v, None, self.causal)
        return out.transpose(1, 2).flatten(0, 1)

    def biased(self, positions: RelativePositions) -> Tensor:
        alike = bool((self.host == self.host[0]).all())
        position = self.position[:1] if alike else self.position
        found = positions(position, position)
        return found if self.below is None else masked_bias(found, self.below)


class RowIndex:
    """Where the positions of a stream are in rows of whole sequences.

    Attributes:
        shape: (rows, longest).
        gather: the position at each entry, 0 for padding, [rows * longest].
        scatter: the entry of each position, [T].
        real: whether an entry is a position, not padding, [rows, longest].
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
    """Whole sequences gathered into rows of about equal length with a block mask.

    Padding exists only inside the attention operator. A padding position attends to itself alone, so that no row of
    the mask is empty, and no real position attends to it.
    """

    def __init__(self, stream: Stream, case: Case | None = None):
        device = stream.key.device
        index = RowIndex(stream, fill_rows(stream.lengths, ROW))
        self.shape, self.gather, self.scatter, real = index.shape, index.gather, index.scatter, index.real
        laid = self.gather.view(self.shape)
        sequence = stream.sequence[laid].masked_fill(~real, -1)
        key, query = stream.key[laid], stream.query[laid]
        same = (sequence[:, :, None] == sequence[:, None, :]) & real[:, None, :]
        itself = torch.eye(self.shape[1], dtype=torch.bool, device=device)
        self.allowed = (same & (key[:, None, :] <= query[:, :, None])) | itself
        self.position = stream.inputs["position"][laid]
        self.plain = prefer_plain(device, self.shape[1])
        self._masks: dict[int | None, Tensor] = {}

    @staticmethod
    def supports(case: Case) -> bool:
        return True

    def mask(self, window: int | None) -> Tensor:
        """Return the mask [rows, 1, L, L] of a window as the kernel expects it."""
        if window not in self._masks:
            mask = self.allowed if window is None else self.allowed & within(self.position, window)
            self._masks[window] = (as_bias(mask) if self.plain else mask)[:, None]
        return self._masks[window]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = (
            ToRows.apply(x, self.gather, self.scatter).unflatten(0, self.shape).transpose(1, 2)  # type: ignore[union-attr]
            for x in (query, key, value)
        )
        out = (plain if self.plain else fused)(q, k, v, self.mask(window) if bias is None else bias)
        return FromRows.apply(out.transpose(1, 2).flatten(0, 1), self.gather, self.scatter)  # type: ignore[return-value]

    def biased(self, positions: RelativePositions) -> Tensor:
        return masked_bias(positions(self.position, self.position), self.allowed[:, None])


class ToRows(torch.autograd.Function):
    """Arrange a stream in rows, `x[gather]`: [T, ...] -> [rows * L, ...].

    Only one entry per position is real, so the gradient is a gather too, where torch would sum.
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
        ctx.places = len(gather)
        return x.index_select(0, scatter)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (scatter,) = ctx.saved_tensors
        nothing = grads[0].new_zeros(ctx.places, *grads[0].shape[1:])
        return nothing.index_copy_(0, scatter, grads[0]), None, None


def fill_rows(lengths: tuple[int, ...], capacity: int) -> list[list[int]]:
    """Return the indices of the sequences in each row, by first-fit decreasing."""
    capacity = max(capacity, *lengths)
    rows: list[list[int]] = []
    room: list[int] = []
    for s in sorted(range(len(lengths)), key=lambda s: (-lengths[s], s)):
        for r, left in enumerate(room):
            if left >= lengths[s]:
                rows[r].append(s)
                room[r] -= lengths[s]
                break
        else:
            rows.append([s])
            room.append(capacity - lengths[s])
    return rows


def layouts_on(device: torch.device) -> list[type[Layout]]:
    """Return the layouts that run on a device, the fastest first; the last supports every case."""
    found: list[type[Layout]] = [Even]
    found += [Varlen] if varlen.available(device) else []
    found += [Flex] if flex.available(device) else []
    return [*found, Rows]


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
        dtype: of queries, keys and values.
        biased: whether a bias is added to the scores.
    """
    case = case_of(stream, windows, head_dim, dtype, biased)
    return next(layout for layout in layouts_on(stream.key.device) if layout.supports(case))(stream, case)
