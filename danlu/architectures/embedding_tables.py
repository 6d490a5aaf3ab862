"""The embedding tables of a network, one for each input name. The network sums their outputs.

Shapes: T positions of a stream, n features of a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from torch import Tensor, nn

from danlu.architecture import Architecture
from danlu.batch import ArraySpec
from danlu.objective import Objective

NUM_SEGMENTS = 2
"""Number of segments of objectives with segments. It replaces a smaller table of the architecture."""


class Projection(nn.Linear):
    """A linear layer for vectors of any float type, [T, n] -> [T, width]: patches of images, frames of sounds.

    The bias is initialised to zero. With PyTorch's default it would be many times larger than the projected vectors,
    and equal at all positions.
    """

    def __init__(self, features: int, width: int):
        super().__init__(features, width)
        nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.to(self.weight.dtype))


class ScaledEmbedding(nn.Embedding):
    """Embeddings multiplied by sqrt(width) (Vaswani et al. 2017); a tied head uses the weights without this factor."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) * self.embedding_dim**0.5


def token_table(spec: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the token embeddings, [T] -> [T, width]."""
    return nn.Embedding(vocabulary_size, width)


def segment_table(spec: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the segment embeddings, [T] -> [T, width]."""
    return nn.Embedding(NUM_SEGMENTS, width)


def patch_projection(spec: ArraySpec, vocabulary_size: int, width: int) -> nn.Module:
    """Create the projection of patches, [T, n] -> [T, width]."""
    _, (features,) = spec
    return Projection(features, width)


TABLE_BUILDERS: Mapping[str, Callable[[ArraySpec, int, int], nn.Module]] = {
    "segment": segment_table,
    "patch": patch_projection,
    "token": token_table,
}
"""Input name -> function that creates its table. Other inputs of a stream are not embedded; objectives read them."""

IMPLICIT_INPUTS = frozenset({"segment"})
"""Inputs that every stream has, with the default 0 (`danlu.architectures.network.sum_embeddings`). A model with a table
for such an input adds its embedding in every stream."""


class EmbeddingProjection(nn.Linear):
    """The linear layer between embeddings and the first block, [T, embedding width] -> [T, width].

    The output has the dtype of the weights, even if autocast computes the product in bfloat16.
    """

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).to(self.weight.dtype)


def embedding_projection(embedding_width: int | None, width: int, bias: bool = False) -> nn.Module:
    """Create the projection [T, embedding_width] -> [T, width]; the identity if `embedding_width` is None."""
    if embedding_width is None:
        return nn.Identity()
    projection = EmbeddingProjection(embedding_width, width, bias=bias)
    nn.init.normal_(projection.weight, std=embedding_width**-0.5)
    if bias:
        nn.init.zeros_(projection.bias)
    return projection


def declared_inputs(objective: Objective) -> dict[str, ArraySpec]:
    """Return the inputs of all streams of an objective."""
    return {name: dtype for stream in objective.streams.values() for name, dtype in stream.inputs.items()}


def embedding_tables_of(
    objective: Objective, architecture: Architecture, vocabulary_size: int, pretrained_by: Objective | None = None
) -> dict[str, nn.Module]:
    """Create the tables of the architecture (positions, segments) and of the inputs that the objective declares.

    Args:
        objective: the objective of the network.
        architecture: the settings of the network.
        vocabulary_size: rows of the token embeddings.
        pretrained_by: the pre-training objective, if `objective` is that of a fine-tuning task. Its implicit inputs
            get a table too: a model with segment embeddings treats the text of a task as segment 0. Other inputs that
            the task does not use, such as patches, get none.
    """
    inputs = declared_inputs(objective)
    if pretrained_by is not None:
        inputs |= {name: spec for name, spec in declared_inputs(pretrained_by).items() if name in IMPLICIT_INPUTS}
    tables: dict[str, nn.Module] = dict(architecture.embedding_tables())
    for name, build in TABLE_BUILDERS.items():
        if name in inputs:
            table = build(inputs[name], vocabulary_size, architecture.embedding_dim)
            if name not in tables or len(tables[name].weight) < len(table.weight):  # type: ignore[arg-type]
                tables[name] = table  # RoBERTa has one segment, but the objective may need two
    return initialise_tables(tables, architecture)


def decoder_embedding_tables_of(architecture: Architecture, vocabulary_size: int) -> dict[str, nn.Module]:
    """Create the decoder's own tables: positions, and tokens unless encoder and decoder share them."""
    tables: dict[str, nn.Module] = dict(architecture.decoder_embedding_tables())
    if not architecture.head_style.shared_embeddings:
        tables["token"] = token_table(np.int64, vocabulary_size, architecture.embedding_dim)
    return initialise_tables(tables, architecture)


def initialise_tables(tables: dict[str, nn.Module], architecture: Architecture) -> dict[str, nn.Module]:
    """Initialise the tables with standard deviation 0.02.

    Token embeddings have unit variance if they are tied to a head that divides by sqrt(width).
    """
    if "token" in tables and architecture.head_style.scaled_embeddings:
        tables["token"] = ScaledEmbedding(*tables["token"].weight.shape)  # type: ignore[union-attr, misc]
    for name, table in tables.items():
        unit_variance = name == "token" and architecture.tied and architecture.head_style.scaled_head
        nn.init.normal_(table.weight, std=1.0 if unit_variance else 0.02)  # type: ignore[arg-type]
    return tables
