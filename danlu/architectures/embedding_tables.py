"""What turns the inputs of a stream into vectors: one embedder an input name, summed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor, nn

from danlu.architecture import Architecture
from danlu.batch import ArraySpec
from danlu.objective import Objective

SEGMENTS = 2
"""That an objective with segments tells apart; where an architecture has a table for fewer, it gets this one."""


class Projection(nn.Linear):
    """Vectors of any float type [T, n] -> [T, width]: patches of an image, frames of a sound.

    It begins without a bias: torch's own would be many times what comes from the vectors, and all positions alike.
    """

    def __init__(self, features: int, width: int):
        super().__init__(features, width)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


class ScaledEmbedding(nn.Embedding):
    """Vectors times sqrt(width) (Vaswani et al. 2017); a tied head takes them as they are."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.embedding_dim**0.5


def token(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    return nn.Embedding(vocabulary_size, width)


def segment(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    return nn.Embedding(SEGMENTS, width)


def patch(declared: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    _, (size,) = declared
    return Projection(size, width)


INPUTS: Mapping[str, Callable[[ArraySpec, int, int], nn.Module]] = {"segment": segment, "patch": patch, "token": token}
"""By input name. An objective may declare further inputs, which are not embedded but read by itself."""

UNSAID = frozenset({"segment"})
"""Inputs that every stream has, whether it says them or not (`danlu.architectures.network.summed`): a model that has a
table for one adds it to whatever it reads."""


class EmbeddingProjection(nn.Linear):
    """A map [T, embedding width] -> [T, width] that gives what layers add to: in the dtype of its weights, though the
    product be made in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(self.weight.dtype)


def embedding_projection(embedding_width: int | None, width: int, bias: bool = False) -> nn.Module:
    """What a backbone begins with: a map [T, embedding_width] -> [T, width], or nothing where the embeddings have no
    width of their own."""
    if embedding_width is None:
        return nn.Identity()
    found = EmbeddingProjection(embedding_width, width, bias=bias)
    nn.init.normal_(found.weight, std=embedding_width**-0.5)
    if bias:
        nn.init.zeros_(found.bias)
    return found


def declared_by(objective: Objective) -> dict[str, ArraySpec]:
    """The inputs of all streams of an objective."""
    return {name: kind for spec in objective.streams.values() for name, kind in spec.inputs.items()}


def embedding_tables_of(
    objective: Objective, architecture: Architecture, vocabulary_size: int, pretrained_by: Objective | None = None
) -> dict[str, nn.Module]:
    """Those of the architecture (positions, segments), and those of the inputs the objective declares.

    pretrained_by: the objective of pre-training, where this is a task's. What that has a table for and the task reads
    without saying so is there too: whoever has learnt segments reads every text as segment 0. What the task does not
    read, such as patches, is left out.
    """
    declared = declared_by(objective)
    if pretrained_by is not None:
        declared |= {name: kind for name, kind in declared_by(pretrained_by).items() if name in UNSAID}
    tables: dict[str, nn.Module] = dict(architecture.embedding_tables())
    for name, make in INPUTS.items():
        if name in declared:
            made = make(declared[name], vocabulary_size, architecture.embedding_dim)
            if name not in tables or len(tables[name].weight) < len(made.weight):  # type: ignore[arg-type]
                tables[name] = made  # RoBERTa's one segment is too few for an objective of two
    return initialised(tables, architecture)


def decoder_embedding_tables_of(architecture: Architecture, vocabulary_size: int) -> dict[str, nn.Module]:
    """What a decoder has in place of the backbone's: positions, and tokens unless the two share them."""
    tables: dict[str, nn.Module] = dict(architecture.decoder_embedding_tables())
    if not architecture.head_style.shared_embeddings:
        tables["token"] = token(np.int64, vocabulary_size, architecture.embedding_dim)
    return initialised(tables, architecture)


def initialised(tables: dict[str, nn.Module], architecture: Architecture) -> dict[str, nn.Module]:
    """With the weights they begin with. A head that divides by sqrt(width) wants token vectors of unit variance."""
    if "token" in tables and architecture.head_style.scaled_embeddings:
        tables["token"] = ScaledEmbedding(*tables["token"].weight.shape)  # type: ignore[union-attr, misc]
    for name, table in tables.items():
        unit = name == "token" and architecture.tied and architecture.head_style.scaled_head
        nn.init.normal_(table.weight, std=1.0 if unit else 0.02)  # type: ignore[arg-type]
    return tables
