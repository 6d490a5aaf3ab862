"""The embedding tables of a network, one for each input name; their outputs are summed.

Shapes: T positions of a stream, n features of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor, nn

from danlu.architecture import Architecture
from danlu.batch import ArraySpec
from danlu.objective import Objective

SEGMENTS = 2
"""Number of segments of an objective that has them; a smaller table of an architecture is replaced."""


class Projection(nn.Linear):
    """A linear layer for vectors of any float type, [T, n] -> [T, width]: patches of an image, frames of a sound.

    Its bias is zero at first. torch's own initialisation would be many times the size of what comes from the vectors,
    and the same at all positions.
    """

    def __init__(self, features: int, width: int):
        super().__init__(features, width)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


class ScaledEmbedding(nn.Embedding):
    """Embeddings multiplied by sqrt(width) (Vaswani et al. 2017); a tied head uses them unscaled."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.embedding_dim**0.5


def token(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the token embeddings."""
    return nn.Embedding(vocabulary_size, width)


def segment(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the segment embeddings."""
    return nn.Embedding(SEGMENTS, width)


def patch(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the projection of patches."""
    _, (size,) = declared
    return Projection(size, width)


INPUTS: Mapping[str, Callable[[ArraySpec, int, int], nn.Module]] = {"segment": segment, "patch": patch, "token": token}
"""Input name -> table. Further inputs that an objective declares are not embedded; it uses them itself."""

IMPLICIT = frozenset({"segment"})
"""Inputs that every stream has, with a default where they are not given (`danlu.architectures.network.summed`). A model
with a table for one adds it to every stream."""


class EmbeddingProjection(nn.Linear):
    """A linear layer [T, embedding width] -> [T, width] whose output starts the residual stream.

    The output has the dtype of the weights, even if autocast computes the product in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(self.weight.dtype)


def embedding_projection(embedding_width: int | None, width: int, bias: bool = False) -> nn.Module:
    """Create the projection [T, embedding_width] -> [T, width] of a backbone; the identity if it is None."""
    if embedding_width is None:
        return nn.Identity()
    projection = EmbeddingProjection(embedding_width, width, bias=bias)
    nn.init.normal_(projection.weight, std=embedding_width**-0.5)
    if bias:
        nn.init.zeros_(projection.bias)
    return projection


def declared_by(objective: Objective) -> dict[str, ArraySpec]:
    """Return the inputs of all streams of an objective."""
    return {name: kind for spec in objective.streams.values() for name, kind in spec.inputs.items()}


def embedding_tables_of(
    objective: Objective, architecture: Architecture, vocabulary_size: int, pretrained_by: Objective | None = None
) -> dict[str, nn.Module]:
    """Create the tables of the architecture (positions, segments) and of the inputs that the objective declares.

    Args:
        objective: the objective of the network.
        architecture: the settings of the network.
        vocabulary_size: rows of the token embeddings.
        pretrained_by: the objective of pre-training, where `objective` is that of a task. Its tables for implicit
            inputs are created too: a model with segments treats every text as segment 0. Tables of other
            inputs that the task does not use, such as patches, are left out.
    """
    declared = declared_by(objective)
    if pretrained_by is not None:
        declared |= {name: kind for name, kind in declared_by(pretrained_by).items() if name in IMPLICIT}
    tables: dict[str, nn.Module] = dict(architecture.embedding_tables())
    for name, make in INPUTS.items():
        if name in declared:
            made = make(declared[name], vocabulary_size, architecture.embedding_dim)
            if name not in tables or len(tables[name].weight) < len(made.weight):  # type: ignore[arg-type]
                tables[name] = made  # RoBERTa has one segment, too few for an objective of two
    return initialised(tables, architecture)


def decoder_embedding_tables_of(architecture: Architecture, vocabulary_size: int) -> dict[str, nn.Module]:
    """Create the tables that a decoder uses instead of the backbone's: positions, and tokens unless they are shared."""
    tables: dict[str, nn.Module] = dict(architecture.decoder_embedding_tables())
    if not architecture.head_style.shared_embeddings:
        tables["token"] = token(np.int64, vocabulary_size, architecture.embedding_dim)
    return initialised(tables, architecture)


def initialised(tables: dict[str, nn.Module], architecture: Architecture) -> dict[str, nn.Module]:
    """Initialise the tables. A tied head that divides by sqrt(width) needs token embeddings of unit variance."""
    if "token" in tables and architecture.head_style.scaled_embeddings:
        tables["token"] = ScaledEmbedding(*tables["token"].weight.shape)  # type: ignore[union-attr, misc]
    for name, table in tables.items():
        unit = name == "token" and architecture.tied and architecture.head_style.scaled_head
        nn.init.normal_(table.weight, std=1.0 if unit else 0.02)  # type: ignore[arg-type]
    return tables
