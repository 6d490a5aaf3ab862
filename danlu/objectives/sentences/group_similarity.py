"""Contrastive loss in groups: softmax over the cosines with all candidates of a group (InfoNCE, van den Oord et al.
2018).

Shapes: N sequences of a stream; q queries and c candidates of one group.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Stream
from danlu.objective import ModelAPI

SHARPEST = 100.0
"""Maximum factor of a cosine that can be learned (CLIP, Radford et al. 2021)."""


Vectors = tuple[Stream, Tensor]
"""A stream and the unit vectors [N, width] of its sequences."""


class Temperature(nn.Module):
    """The factor 1 / temperature of a cosine: constant, or a parameter initialised to it."""

    def __init__(self, temperature: float, learned: bool):
        super().__init__()
        self.start = -math.log(temperature)
        self.log_scale = nn.Parameter(torch.tensor(self.start)) if learned else None

    def forward(self) -> Tensor | float:
        if self.log_scale is None:
            return math.exp(self.start)
        # clamp alone has no gradient above the limit, so that a factor beyond it could never return
        excess = self.log_scale - self.log_scale.clamp(max=math.log(SHARPEST))
        return (self.log_scale - excess.detach()).exp()


def check_temperature(settings: Any) -> Any:
    """Validate settings with `temperature` and `learned`: a learned temperature starts within its limit."""
    if settings.learned and settings.temperature < 1 / SHARPEST:
        raise ValueError(
            f"temperature {settings.temperature} is below {1 / SHARPEST}, the minimum of a learned temperature; "
            "raise it or set learned: false"
        )
    return settings


def normalized(vectors: Tensor) -> Tensor:
    """Scale the rows of [n, width] to length 1, in float32 or wider."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1)


def groups(queries: Stream, candidates: Stream, label: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each group, the indices [q] of its queries that have a target and [c] of all its candidates."""
    at = (queries.sequence_labels[label] >= 0).nonzero().squeeze(1)
    for group in queries.group[at].unique().tolist():
        yield at[queries.group[at] == group], (candidates.group == group).nonzero().squeeze(1)


def group_loss(
    model: ModelAPI,
    queries: Vectors,
    candidates: Vectors,
    label: str,
    scale: Tensor | float,
) -> Tensor:
    """Return the summed cross-entropy in nats of each query's own candidate among the candidates of its group.

    Args:
        queries: a stream and its N unit vectors [N, width].
        candidates: likewise.
        label: the sequence label of the queries that gives the index of the own candidate in the group.
        scale: the factor of the cosines.
    """
    (query_stream, u), (candidate_stream, v) = queries, candidates
    total = u[:0].sum() + v[:0].sum()  # a batch without targets also has a loss
    for rows, columns in groups(query_stream, candidate_stream, label):
        total = total + model.class_loss(scale * u[rows] @ v[columns].T, query_stream.sequence_labels[label][rows])
    return total


def accuracy_in_group(queries: Vectors, candidates: Vectors, label: str) -> tuple[list[float], list[float]]:
    """Return, for each query with a target, whether its own candidate has the highest cosine (1 or 0), and the accuracy
    of a guess, which is 1 / the number of candidates."""
    (query_stream, u), (candidate_stream, v) = queries, candidates
    right, chance = [], []
    for rows, columns in groups(query_stream, candidate_stream, label):
        best = (u[rows] @ v[columns].T).argmax(1)
        right += (best == query_stream.sequence_labels[label][rows]).double().tolist()
        chance += [1 / len(columns)] * len(rows)
    return right, chance


def group_figures(sides: Iterable[tuple[Vectors, Vectors]], label: str) -> dict[str, Any]:
    """Return the accuracy over the (queries, candidates) of several batches, and that of a guess; {} without groups."""
    right: list[float] = []
    chance: list[float] = []
    for queries, candidates in sides:
        found, guessed = accuracy_in_group(queries, candidates, label)
        right, chance = right + found, chance + guessed
    if not right:
        return {}
    return {"found in group": np.array(right), "found in group by chance": float(np.mean(chance))}
