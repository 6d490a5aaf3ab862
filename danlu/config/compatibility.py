"""Which architecture takes which objective, from the registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import danlu.architectures
import danlu.objectives  # noqa: F401  (the two fill the registries)
from danlu.architecture import Architecture
from danlu.architectures.network import models_of
from danlu.objective import describe_orders, incompatibility, unmet_needs
from danlu.registry import Registry, architectures, objectives
from danlu.settings import Settings


@dataclass(frozen=True)
class Pair:
    """reason: why not, in a sentence, or the settings of the architecture under which the two go together."""

    objective: str
    architecture: str
    allowed: bool
    reason: str


def variants(registry: Registry, name: str) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """A registered thing under each of the settings that change what it needs or offers."""
    cls: Any = registry[name]
    for settings in cls.variants:
        yield settings, registry.validate({"name": name, **settings})


Offer = tuple[Mapping[str, Any], Mapping[str, Any]]
"""The settings of a variant of an architecture, and its models by role."""


def offered(architecture: str) -> list[Offer]:
    """What an architecture offers under each of its variants: models without weights, which are not asked for."""
    with torch.device("meta"):
        return [(settings, models_of(made)) for settings, made in variants(architectures, architecture)]


def pair(objective: str, architecture: str, offers: Sequence[Offer]) -> Pair:
    """Allowed when it is under the objective's own settings and some variant of the architecture's."""
    _, wanted = next(variants(objectives, objective))
    sentences, fitting = [], []
    for settings, models in offers:
        sentence = incompatibility(wanted, models, architecture)  # type: ignore[arg-type]
        fitting += [settings] if sentence is None else []
        sentences += [sentence] if sentence else []
    if fitting:
        with_settings = ", ".join(f"{key} {value}" for key, value in fitting[0].items()) if sentences else ""
        return Pair(objective, architecture, True, f"with {with_settings}" if with_settings else "")
    return Pair(
        objective,
        architecture,
        False,
        sentences[0] if len(set(sentences)) == 1 else of_all(wanted, offers, architecture),
    )


def of_all(objective: Settings, offers: Sequence[Offer], architecture: str) -> str:
    """Why no variant of an architecture takes an objective, where each has another reason."""
    together: dict[str, frozenset[str]] = {}
    for _, models in offers:
        for role, model in models.items():
            together[role] = together.get(role, frozenset()) | model.offers
    wanted: Any = objective
    settings = " or ".join(sorted({key for given, _ in offers for key in given}))
    needed = describe_orders(wanted.needs["backbone"])
    return unmet_needs(wanted, together, architecture) or (
        f"{wanted.name} needs an architecture with {needed} at once; "
        f"{architecture} offers one or the other, by {settings}"
    )


def misfit(objective: Settings, architecture: Architecture) -> str | None:
    """One sentence when the two do not go together, which names the architectures that do."""
    with torch.device("meta"):
        sentence = incompatibility(objective, models_of(architecture), architecture.name)  # type: ignore[arg-type, attr-defined]
    if sentence is None:
        return None
    able = []
    for name in architectures:
        for settings, made in variants(architectures, name):
            with torch.device("meta"):
                fits = incompatibility(objective, models_of(made), name) is None  # type: ignore[arg-type]
            if fits:
                able.append(" ".join([name, *(f"with {key} {value}" for key, value in settings.items())]))
    return f"{sentence}; use {' or '.join(able)}" if able else sentence


def matrix() -> list[Pair]:
    """Every objective with every architecture."""
    offers = {architecture: offered(architecture) for architecture in architectures}
    return [pair(objective, architecture, offers[architecture]) for objective in objectives for architecture in offers]
