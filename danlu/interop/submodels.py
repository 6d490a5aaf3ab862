"""Split a network into the models that can be saved separately, and merge their weights again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from danlu.architecture import Architecture
from danlu.architectures.network import Network, build_network
from danlu.architectures.scaling import scale_architecture
from danlu.objective import Objective, SubModel


@dataclass(frozen=True)
class BuiltModel:
    """A network with its objective and architecture."""

    network: Network
    objective: Objective
    architecture: Architecture


def split_submodels(network: Network, objective: Objective, architecture: Architecture) -> dict[str, BuiltModel]:
    """Return the models of a network by name; "" is the main one.

    If the objective trains a single model, it is the network itself.
    """
    parts = objective.submodels()
    if not parts:
        return {"": BuiltModel(network, objective, architecture)}
    return {name: extract(network, part, architecture) for name, part in parts.items()}


def extract(network: Network, part: SubModel, architecture: Architecture) -> BuiltModel:
    """Return a part of a network as a separate network with a copy of the weights."""
    settings = architecture if part.size == (1.0, 1.0) else scale_architecture(architecture, *part.size)
    extracted = build_network(part.objective, settings, network.vocabulary_size, seed=0)
    state = {
        separate + name.removeprefix(whole): value
        for separate, whole in part.modules.items()
        for name, value in network.state_dict().items()
        if name == whole or name.startswith(f"{whole}.")
    }
    example = next(network.parameters())
    extracted.to(example.device, example.dtype).load_state_dict(state)
    return BuiltModel(extracted.train(network.training), part.objective, settings)


def merge_submodels(states: Mapping[str, Mapping[str, Tensor]], objective: Objective) -> dict[str, Tensor]:
    """Return the weights of the whole network from those of its models, as far as they are given.

    Weights that several models have are taken from the main one.
    """
    merged: dict[str, Tensor] = {}
    parts = objective.submodels()
    for name in sorted(parts.keys() & states.keys(), reverse=True):  # the main model's name is "": it comes last
        for separate, whole in parts[name].modules.items():
            for key, value in states[name].items():
                if key == separate or key.startswith(f"{separate}."):
                    merged[whole + key.removeprefix(separate)] = value
    return merged
