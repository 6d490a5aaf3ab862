"""Initialise a network with the weights of another one, by name: for warm starts and for fine-tuning alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from danlu.architectures.network import Network
from danlu.errors import WrongInput

HEAD = "head."
"""Prefix of the weights that belong to an objective."""

TABLES = ("embeddings.", "decoder_embeddings.", "unembedding.", "output_bias")
"""Prefixes of the weights whose rows are numbered (tokens, positions, segments)."""


@dataclass(frozen=True)
class ResizedTable:
    """A table with another number of rows in the source than in the target; the rows that both have were copied."""

    name: str
    source_rows: int
    target_rows: int


@dataclass(frozen=True)
class WeightTransfer:
    """What a transfer did; every weight that it does not list was copied unchanged."""

    new: tuple[str, ...] = ()  # weights of the target that the source lacks: they keep their initial values
    unused: tuple[str, ...] = ()  # weights of the source that the target lacks
    resized: tuple[ResizedTable, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return the transfer as JSON."""
        resized = [{"name": r.name, "source_rows": r.source_rows, "target_rows": r.target_rows} for r in self.resized]
        return {"new": list(self.new), "unused": list(self.unused), "resized": resized}


def transfer_weights(
    target: Network, source: Mapping[str, Tensor], where: str = "the source", with_head: bool = True
) -> WeightTransfer:
    """Copy the weights of `source` into `target` wherever the names match.

    All roles are covered: embeddings, backbone, decoder, the decoder's embeddings, output layers and the head of the
    objective. The head is copied as a whole, or not at all if the names or shapes of its weights differ. Of a table
    with another number of rows, the rows that both have are copied.

    Args:
        target: a freshly initialised network.
        source: the state dict of the other network.
        where: what an error calls the source.
        with_head: whether the head may be copied; False where its outputs have another meaning.

    Raises:
        WrongInput: if another weight has a different shape in the source, whose architecture then does not match.
    """
    wanted = target.state_dict()
    given = dict(source)
    if not with_head or head_shapes(given) != head_shapes(wanted):
        given = {name: value for name, value in given.items() if not name.startswith(HEAD)}
    new, resized = [], []
    state: dict[str, Tensor] = {}
    for name, initial in wanted.items():
        value = given.get(name)
        if value is None:
            new.append(name)
            state[name] = initial
        elif value.shape == initial.shape:
            state[name] = value
        elif name.startswith(TABLES) and value.shape[1:] == initial.shape[1:]:
            shared = min(len(value), len(initial))
            resized.append(ResizedTable(name, len(value), len(initial)))
            state[name] = torch.cat([value[:shared].to(initial), initial[shared:]])
        else:
            shapes = [" x ".join(map(str, shape)) for shape in (value.shape, initial.shape)]
            raise WrongInput(f"{where}: weight {name} is {shapes[0]}, not {shapes[1]}; the architectures differ")
    target.load_state_dict(state)
    unused = [name for name in source if name not in given or name not in wanted]
    return WeightTransfer(tuple(sorted(new)), tuple(sorted(unused)), tuple(resized))


def head_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shapes of the weights of the head, by name."""
    return {name: value.shape for name, value in state.items() if name.startswith(HEAD)}
