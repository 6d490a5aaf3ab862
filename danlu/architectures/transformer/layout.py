"""How attention lays a ragged stream out for the fast kernels; the reference is `Stream.sees`.

A layout is made once for a stream and shared by all layers. All give the same numbers as `Dense`. A layer with a window
sees of what rule 1 allows only positions at most so far away. `layout_of` takes the first of a device's layouts that
serves the case; what decides is known on the host (`orders.Case`).
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor

from danlu.architectures.transformer import flex, varlen
from danlu.architectures.transformer.cores import as_bias, fused, plain, plain_pays
from danlu.architectures.transformer.flex import Flex
from danlu.architectures.transformer.orders import Case, case_of
from danlu.architectures.transformer.relative import RelativePositions
from danlu.architectures.transformer.varlen import Varlen
from danlu.batch import Stream, to_device

ROW = 256
"""Positions that short sequences are gathered into for one attention row; longer sequences get a row of their own."""


class Layout(Protocol):
    def __init__(self, stream: Stream, case: Case): ...

    @staticmethod
    def serves(case: Case) -> bool:
        """Whether it gives the numbers of the reference there."""
        ...

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """query [T, heads, d]; key, value [T, kv_heads, d] -> [T, heads, d]. bias: what `biased` gave."""
        ...

    def biased(self, positions: RelativePositions) -> Tensor:
        """What is added to the scores of all layers, minus infinity where nothing is seen; in this layout's form."""
        ...


def within(position: Tensor, window: int) -> Tensor:
    """[..., L] -> [..., L, L]: which positions are at most `window` apart."""
    return (position[..., :, None] - position[..., None, :]).abs() <= window


def unseen_out(bias: Tensor, seen: Tensor) -> Tensor:
    """`bias` where `seen` (of its shape or broadcast to it), else minus infinity."""
    return bias.masked_fill(~seen, float("-inf"))


class Dense:
    """The reference: one [T, T] mask straight from rule 1."""

    def __init__(self, stream: Stream, case: Case | None = None):
        self.seen, self.position = stream.attention_mask(), stream.inputs["position"]

    @staticmethod
    def serves(case: Case) -> bool:
        return True

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        seen = self.seen if window is None else self.seen & within(self.position, window)
        q, k, v = (x.transpose(0, 1)[None] for x in (query, key, value))
        return fused(q, k, v, seen if bias is None else bias)[0].transpose(0, 1)

    def biased(self, positions: RelativePositions) -> Tensor:
        return unseen_out(positions(self.position, self.position), self.seen)


class Even:
    """Sequences of one length, all causal or all full, without windows: a reshape, and no mask of its own."""

    def __init__(self, stream: Stream, case: Case):
        self.sequences, self.causal = len(stream), case.order == "causal"
        device, length = stream.key.device, stream.lengths[0]
        self.plain = plain_pays(device, length)
        self.below = torch.ones(length, length, dtype=torch.bool, device=device).tril() if self.causal else None
        self.bias = as_bias(self.below) if self.plain and self.below is not None else None
        self.position, self.host = (
            s.inputs["position"].unflatten(0, (self.sequences, -1)) for s in (stream, stream.host or stream)
        )

    @staticmethod
    def serves(case: Case) -> bool:
        return case.even and case.order != "any" and not case.windowed

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        if window is not None:
            raise ValueError("sequences with windows are laid out in rows")
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
        return found if self.below is None else unseen_out(found, self.below)


class Places:
    """Where the positions of a stream stand in rows of whole sequences.

    shape (rows, longest); gather [rows * longest], the position at each place, 0 for filler; scatter [T], the place of
    each position; real [rows, longest], which places are no filler.
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

    Only the attention operator sees filler, and a filler position sees itself alone, so that no row of the mask is
    empty; nothing real ever sees it.
    """

    def __init__(self, stream: Stream, case: Case | None = None):
        device = stream.key.device
        places = Places(stream, fill_rows(stream.lengths, ROW))
        self.shape, self.gather, self.scatter, real = places.shape, places.gather, places.scatter, places.real
        laid = self.gather.view(self.shape)
        sequence = stream.sequence[laid].masked_fill(~real, -1)
        key, query = stream.key[laid], stream.query[laid]
        same = (sequence[:, :, None] == sequence[:, None, :]) & real[:, None, :]
        itself = torch.eye(self.shape[1], dtype=torch.bool, device=device)
        self.seen = (same & (key[:, None, :] <= query[:, :, None])) | itself
        self.position = stream.inputs["position"][laid]
        self.plain = plain_pays(device, self.shape[1])
        self._masks: dict[int | None, Tensor] = {}

    @staticmethod
    def serves(case: Case) -> bool:
        return True

    def mask(self, window: int | None) -> Tensor:
        """[rows, 1, L, L], in the form the kernel wants."""
        if window not in self._masks:
            seen = self.seen if window is None else self.seen & within(self.position, window)
            self._masks[window] = (as_bias(seen) if self.plain else seen)[:, None]
        return self._masks[window]

    def attend(
        self, query: Tensor, key: Tensor, value: Tensor, window: int | None = None, bias: Tensor | None = None
    ) -> Tensor:
        q, k, v = (
            Spread.apply(x, self.gather, self.scatter).unflatten(0, self.shape).transpose(1, 2)  # type: ignore[union-attr]
            for x in (query, key, value)
        )
        out = (plain if self.plain else fused)(q, k, v, self.mask(window) if bias is None else bias)
        return Collect.apply(out.transpose(1, 2).flatten(0, 1), self.gather, self.scatter)  # type: ignore[return-value]

    def biased(self, positions: RelativePositions) -> Tensor:
        return unseen_out(positions(self.position, self.position), self.seen[:, None])


class Spread(torch.autograd.Function):
    """[T, ...] -> [rows * L, ...]: a stream in rows, `x[gather]`.

    Every position has one place that counts, so the gradient is a plain gather too, where torch would add up.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, gather: Tensor, scatter: Tensor) -> Tensor:
        ctx.save_for_backward(scatter)
        return x.index_select(0, gather)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (scatter,) = ctx.saved_tensors
        return grads[0].index_select(0, scatter), None, None


class Collect(torch.autograd.Function):
    """[rows * L, ...] -> [T, ...]: the way back, `x[scatter]`; filler gets no gradient."""

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
    """Sequence numbers by row: longest first, each into the first row with room (first-fit decreasing)."""
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
    """What runs there, the fastest first; the last serves every case."""
    found: list[type[Layout]] = [Even]
    found += [Varlen] if varlen.there(device) else []
    found += [Flex] if flex.there(device) else []
    return [*found, Rows]


def layout_of(
    stream: Stream,
    windows: tuple[int | None, ...] = (None,),
    head_width: int = 64,
    dtype: torch.dtype = torch.float32,
    biased: bool = False,
) -> Layout:
    """The fastest layout there that honours the stream's order and these windows (None: none), for heads of that width
    that will be multiplied in that dtype. biased: whether something is added to the scores."""
    case = case_of(stream, windows, head_width, dtype, biased)
    return next(layout for layout in layouts_on(stream.key.device) if layout.serves(case))(stream, case)
