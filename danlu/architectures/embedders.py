"""What turns the inputs of a stream into vectors: one embedder an input name, summed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from danlu.waist import Declared, Objective

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


def token(declared: Declared, vocabulary_size: int, width: int) -> nn.Module:
    return nn.Embedding(vocabulary_size, width)


def segment(declared: Declared, vocabulary_size: int, width: int) -> nn.Module:
    return nn.Embedding(SEGMENTS, width)


def patch(declared: Declared, vocabulary_size: int, width: int) -> nn.Module:
    _, (size,) = declared
    return Projection(size, width)


INPUTS: Mapping[str, Callable[[Declared, int, int], nn.Module]] = {"segment": segment, "patch": patch, "token": token}
"""By input name. An objective may declare further inputs, which are not embedded but read by itself."""

UNSAID = frozenset({"segment"})
"""Inputs that every stream has, whether it says them or not (`danlu.architectures.learner.summed`): a model that has a
table for one adds it to whatever it reads."""


def embedding_width_of(architecture: Any) -> int:
    """Of the embeddings: a width of their own, or that of the hidden states."""
    return getattr(architecture, "embedding_width", None) or architecture.width


class Entrance(nn.Linear):
    """A map [T, embedding width] -> [T, width] that gives what layers add to: in the dtype of its weights, though the
    product be made in bfloat16."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(self.weight.dtype)


def entrance(embedding_width: int | None, width: int, bias: bool = False) -> nn.Module:
    """What a backbone begins with: a map [T, embedding_width] -> [T, width], or nothing where the embeddings have no
    width of their own."""
    if embedding_width is None:
        return nn.Identity()
    found = Entrance(embedding_width, width, bias=bias)
    nn.init.normal_(found.weight, std=embedding_width**-0.5)
    if bias:
        nn.init.zeros_(found.bias)
    return found


def declared_by(objective: Objective) -> dict[str, Declared]:
    """The inputs of all streams of an objective."""
    return {name: kind for fields in objective.fields.values() for name, kind in fields.inputs.items()}


def embedders_of(
    objective: Objective, architecture: Any, vocabulary_size: int, width: int, trained_by: Objective | None = None
) -> dict[str, nn.Module]:
    """Those of the architecture (positions, segments), and those of the inputs the objective declares.

    trained_by: the objective of pre-training, where this is a task's. What that has a table for and the task reads
    without saying so is there too: whoever has learnt segments reads every text as segment 0. What the task does not
    read, such as patches, is left out.
    """
    declared = declared_by(objective)
    if trained_by is not None:
        declared |= {name: kind for name, kind in declared_by(trained_by).items() if name in UNSAID}
    tables: dict[str, nn.Module] = dict(architecture.embedders())
    for name, make in INPUTS.items():
        if name in declared:
            made = make(declared[name], vocabulary_size, width)
            if name not in tables or len(tables[name].weight) < len(made.weight):  # type: ignore[arg-type]
                tables[name] = made  # RoBERTa's one segment is too few for an objective of two
    return begun(tables, architecture)


def decoder_embedders_of(architecture: Any, vocabulary_size: int, width: int) -> dict[str, nn.Module]:
    """What a decoder has in place of the backbone's: positions, and tokens unless the two share them."""
    own = getattr(architecture, "decoder_embedders", dict)
    tables: dict[str, nn.Module] = dict(own())
    if not getattr(architecture, "shared_embeddings", True):
        tables["token"] = token(np.int64, vocabulary_size, width)
    return begun(tables, architecture)


def begun(tables: dict[str, nn.Module], architecture: Any) -> dict[str, nn.Module]:
    """With the weights they begin with. A head that divides by sqrt(width) wants token vectors of unit variance."""
    if "token" in tables and getattr(architecture, "scaled_embeddings", False):
        tables["token"] = ScaledEmbedding(*tables["token"].weight.shape)  # type: ignore[union-attr, misc]
    for name, table in tables.items():
        unit = name == "token" and architecture.tied and getattr(architecture, "scaled_head", False)
        nn.init.normal_(table.weight, std=1.0 if unit else 0.02)  # type: ignore[arg-type]
    return tables
