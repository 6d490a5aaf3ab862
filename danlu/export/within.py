"""The models inside a learner that can be saved alone, each as a learner of its own, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from danlu.architectures.learner import Learner, build_learner
from danlu.architectures.scaling import scaled
from danlu.settings import Settings
from danlu.traits import Part, models_within
from danlu.waist import Objective


@dataclass(frozen=True)
class Within:
    """A learner and what it was built from."""

    learner: Learner
    objective: Objective
    architecture: Settings


def learners_within(learner: Learner, objective: Objective, architecture: Settings) -> dict[str, Within]:
    """By name, "" for the chief one, which is the learner itself where its objective trains no more than one."""
    parts = models_within(objective)
    if not parts:
        return {"": Within(learner, objective, architecture)}
    return {name: taken(learner, part, architecture) for name, part in parts.items()}


def taken(learner: Learner, part: Part, architecture: Settings) -> Within:
    """A part of a learner, with weights of its own."""
    settings = architecture if part.size == (1.0, 1.0) else scaled(architecture, *part.size)
    made = build_learner(part.objective, settings, learner.vocabulary_size, seed=0)
    state = {
        ours + name.removeprefix(theirs): value
        for ours, theirs in part.modules.items()
        for name, value in learner.state_dict().items()
        if name == theirs or name.startswith(f"{theirs}.")
    }
    example = next(learner.parameters())
    made.to(example.device, example.dtype).load_state_dict(state)
    return Within(made.train(learner.training), part.objective, settings)


def together(states: Mapping[str, Mapping[str, Tensor]], objective: Objective) -> dict[str, Tensor]:
    """The weights of the whole learner, by name, from those of its models apart, as far as they are there; of what
    several have, the chief's."""
    found: dict[str, Tensor] = {}
    parts = models_within(objective)
    for name in sorted(parts.keys() & states.keys(), reverse=True):  # the chief's name is "": it comes last
        for ours, theirs in parts[name].modules.items():
            for key, value in states[name].items():
                if key == ours or key.startswith(f"{ours}."):
                    found[theirs + key.removeprefix(ours)] = value
    return found
