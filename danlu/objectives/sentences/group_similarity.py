"""Contrastive loss within groups: softmax over the cosines with all candidates (InfoNCE, van den Oord et al. 2018).

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

MAX_SCALE = 100.0
"""Maximum of a learned factor 1 / temperature (CLIP, Radford et al. 2021)."""

Vectors = tuple[Stream, Tensor]
"""A stream and the normalised embeddings [N, width] of its sequences."""


class Temperature(nn.Module):
    """The factor 1 / temperature of cosines: a constant or a trainable parameter."""

    def __init__(self, temperature: float, learned: bool):
        super().__init__()
        self.initial = -math.log(temperature)
        self.log_scale = nn.Parameter(torch.tensor(self.initial)) if learned else None

    def forward(self) -> Tensor | float:
        if self.log_scale is None:
            return math.exp(self.initial)
        # clamp has no gradient above the limit, so a parameter that exceeded it would stay there
        excess = self.log_scale - self.log_scale.clamp(max=math.log(MAX_SCALE))
        return (self.log_scale - excess.detach()).exp()


def check_temperature(settings: Any) -> Any:
    """Validate `temperature` and `learned`: the initial value of a learned temperature must be within its limit."""
    if settings.learned and settings.temperature < 1 / MAX_SCALE:
        raise ValueError(
            f"temperature {settings.temperature} is below {1 / MAX_SCALE}, the minimum of a learned temperature; "
            "raise it or set learned: false"
        )
    return settings


def normalise(vectors: Tensor) -> Tensor:
    """Scale the rows of [n, width] to length 1, in float32 or wider."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1)


def groups(queries: Stream, candidates: Stream, label: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield, for each group, the indices of its queries with a target [q] and of all its candidates [c]."""
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
    """Return the cross-entropy in nats of the matching candidate among those of the group, summed over queries.

    Args:
        model: the model, which computes the cross-entropy.
        queries: the stream of queries and its embeddings.
        candidates: the stream of candidates and its embeddings.
        label: sequence label of the queries: the index of the matching candidate in the group.
        scale: the factor of the cosines.
    """
    (query_stream, u), (candidate_stream, v) = queries, candidates
    total = u[:0].sum() + v[:0].sum()  # zero with a gradient, for batches without targets
    for rows, columns in groups(query_stream, candidate_stream, label):
        total = total + model.class_loss(scale * u[rows] @ v[columns].T, query_stream.sequence_labels[label][rows])
    return total


def accuracy_in_group(queries: Vectors, candidates: Vectors, label: str) -> tuple[list[float], list[float]]:
    """Measure how often the matching candidate has the highest cosine in its group.

    Returns:
        For each query with a target: 1 if its candidate has the highest cosine, otherwise 0; and the accuracy of random
        predictions, 1 / (number of candidates).
    """
    (query_stream, u), (candidate_stream, v) = queries, candidates
    correct, chance = [], []
    for rows, columns in groups(query_stream, candidate_stream, label):
        best = (u[rows] @ v[columns].T).argmax(1)
        correct += (best == query_stream.sequence_labels[label][rows]).double().tolist()
        chance += [1 / len(columns)] * len(rows)
    return correct, chance


def group_figures(sides: Iterable[tuple[Vectors, Vectors]], label: str) -> dict[str, Any]:
    """Return `accuracy_in_group` over several batches, and its chance level; {} if there are no groups.

    `sides` are the (queries, candidates) of the batches.
    """
    correct: list[float] = []
    chance: list[float] = []
    for queries, candidates in sides:
        batch_correct, batch_chance = accuracy_in_group(queries, candidates, label)
        correct, chance = correct + batch_correct, chance + batch_chance
    if not correct:
        return {}
    return {"found in group": np.array(correct), "found in group by chance": float(np.mean(chance))}
