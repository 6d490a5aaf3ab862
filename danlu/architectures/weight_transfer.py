"""Initialise a network with the weights of another one, by name, for warm starts and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from danlu.architectures.network import Network
from danlu.errors import WrongInput

HEAD = "head."
"""Prefix of the weights of an objective's head."""

TABLES = ("embeddings.", "decoder_embeddings.", "unembedding.", "output_bias")
"""Prefixes of the weights with one row per token, position or segment."""


@dataclass(frozen=True)
class ResizedTable:
    """A table whose numbers of rows differ between source and target; only the rows that both have were copied."""

    name: str
    source_rows: int
    target_rows: int


@dataclass(frozen=True)
class WeightTransfer:
    """The result of a transfer. All weights that it does not list were copied unchanged."""

    new: tuple[str, ...] = ()  # weights that only the target has; they keep their initial values
    unused: tuple[str, ...] = ()  # weights that only the source has
    resized: tuple[ResizedTable, ...] = ()

    def facts(self) -> dict[str, Any]:
        """Return the transfer as JSON."""
        resized = [{"name": r.name, "source_rows": r.source_rows, "target_rows": r.target_rows} for r in self.resized]
        return {"new": list(self.new), "unused": list(self.unused), "resized": resized}


def transfer_weights(
    target: Network, source: Mapping[str, Tensor], where: str = "the source", with_head: bool = True
) -> WeightTransfer:
    """Copy the weights of `source` into `target` wherever the names match.

    The head of the objective is copied only if the names and shapes of all its weights match. If a table has a
    different number of rows, the rows that both have are copied.

    Args:
        target: a newly initialised network.
        source: the state dict of the other network.
        where: name of the source in error messages.
        with_head: whether the head may be copied; False if its outputs have another meaning.

    Raises:
        WrongInput: if any other weight differs in shape, since the architectures then differ.
    """
    target_state = target.state_dict()
    source_state = dict(source)
    if not with_head or head_shapes(source_state) != head_shapes(target_state):
        source_state = {name: value for name, value in source_state.items() if not name.startswith(HEAD)}
    new, resized = [], []
    state: dict[str, Tensor] = {}
    for name, initial in target_state.items():
        value = source_state.get(name)
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
    unused = [name for name in source if name not in source_state or name not in target_state]
    return WeightTransfer(tuple(sorted(new)), tuple(sorted(unused)), tuple(resized))


def head_shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    """Return the shapes of the weights of the head, by name."""
    return {name: value.shape for name, value in state.items() if name.startswith(HEAD)}
