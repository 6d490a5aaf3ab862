"""The models inside a network that can be saved alone, each as a network of its own, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from danlu.architecture import Architecture
from danlu.architectures.network import Network, build_network
from danlu.architectures.scaling import scaled
from danlu.objective import Objective, SubModel


@dataclass(frozen=True)
class Within:
    """A network and what it was built from."""

    network: Network
    objective: Objective
    architecture: Architecture


def submodels_of(network: Network, objective: Objective, architecture: Architecture) -> dict[str, Within]:
    """By name, "" for the chief one, which is the network itself where its objective trains no more than one."""
    parts = objective.submodels()
    if not parts:
        return {"": Within(network, objective, architecture)}
    return {name: taken(network, part, architecture) for name, part in parts.items()}


def taken(network: Network, part: SubModel, architecture: Architecture) -> Within:
    """A part of a network, with weights of its own."""
    settings = architecture if part.size == (1.0, 1.0) else scaled(architecture, *part.size)
    made = build_network(part.objective, settings, network.vocabulary_size, seed=0)
    state = {
        ours + name.removeprefix(theirs): value
        for ours, theirs in part.modules.items()
        for name, value in network.state_dict().items()
        if name == theirs or name.startswith(f"{theirs}.")
    }
    example = next(network.parameters())
    made.to(example.device, example.dtype).load_state_dict(state)
    return Within(made.train(network.training), part.objective, settings)


def together(states: Mapping[str, Mapping[str, Tensor]], objective: Objective) -> dict[str, Tensor]:
    """The weights of the whole network, by name, from those of its models apart, as far as they are there; of what
    several have, the chief's."""
    found: dict[str, Tensor] = {}
    parts = objective.submodels()
    for name in sorted(parts.keys() & states.keys(), reverse=True):  # the chief's name is "": it comes last
        for ours, theirs in parts[name].modules.items():
            for key, value in states[name].items():
                if key == ours or key.startswith(f"{ours}."):
                    found[theirs + key.removeprefix(ours)] = value
    return found
