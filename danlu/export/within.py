"""The models inside a learner that can be saved alone, each as a learner of its own."""

from __future__ import annotations

from dataclasses import dataclass

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
