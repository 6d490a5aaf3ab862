"""Telling which text of a group belongs to another: softmax over cosines inside the group (InfoNCE, van den Oord et al.
2018)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Stream
from danlu.objective import ModelAPI

SHARPEST = 100.0
"""The largest factor of a cosine that is learned (CLIP, Radford et al. 2021)."""


class Temperature(nn.Module):
    """The factor 1 / temperature of a cosine: fixed, or a parameter that begins there."""

    def __init__(self, temperature: float, learned: bool):
        super().__init__()
        self.start = -math.log(temperature)
        self.log_scale = nn.Parameter(torch.tensor(self.start)) if learned else None

    def forward(self) -> Tensor | float:
        if self.log_scale is None:
            return math.exp(self.start)
        # the gradient passes as if there were no limit: clamp has none above it, and a factor that got there would stay
        over = self.log_scale - self.log_scale.clamp(max=math.log(SHARPEST))
        return (self.log_scale - over.detach()).exp()


def learnable_start(settings: Any) -> Any:
    """Validator of settings with `temperature` and `learned`: what is learned does not begin beyond its limit."""
    if settings.learned and settings.temperature < 1 / SHARPEST:
        raise ValueError(
            f"temperature {settings.temperature} is below {1 / SHARPEST}, the lowest that is learned; "
            "begin there or above it, or set learned: false"
        )
    return settings


def unit_length(vectors: Tensor) -> Tensor:
    """[n, width] with rows of length 1, in float32 or wider."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1)


def groups(asking: Stream, answering: Stream, mark: str) -> Iterator[tuple[Tensor, Tensor]]:
    """For each group with a target: the numbers of its asking sequences that have one [a], and of all its answering
    sequences [b]."""
    at = (asking.sequence_labels[mark] >= 0).nonzero().squeeze(1)
    for group in asking.group[at].unique().tolist():
        yield at[asking.group[at] == group], (answering.group == group).nonzero().squeeze(1)


def group_loss(
    model: ModelAPI, asking: tuple[Stream, Tensor], answering: tuple[Stream, Tensor], mark: str, scale: Tensor | float
) -> Tensor:
    """Sum over the asking sequences of -log p(theirs among the answers of their group), in nats; `mark` says which of
    its group's answers is theirs. Each side is a stream of N sequences and N vectors [N, width] of length 1."""
    (asks, u), (answers, v) = asking, answering
    total = u[:0].sum() + v[:0].sum()  # a batch without a target has a loss too
    for rows, columns in groups(asks, answers, mark):
        total = total + model.class_loss(scale * u[rows] @ v[columns].T, asks.sequence_labels[mark][rows])
    return total


def found_in_group(
    asking: tuple[Stream, Tensor], answering: tuple[Stream, Tensor], mark: str
) -> tuple[list[float], list[float]]:
    """For each asking sequence with a target: 1 when its own answer is the most similar of its group, else 0; and one
    over the number of answers, which is what a guess finds."""
    (asks, u), (answers, v) = asking, answering
    right, chance = [], []
    for rows, columns in groups(asks, answers, mark):
        best = (u[rows] @ v[columns].T).argmax(1)
        right += (best == asks.sequence_labels[mark][rows]).double().tolist()
        chance += [1 / len(columns)] * len(rows)
    return right, chance
