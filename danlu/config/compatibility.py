"""Which architecture supports which objective, from the registries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

import danlu.architectures
import danlu.objectives  # noqa: F401  (both fill the registries)
from danlu.architecture import Architecture
from danlu.architectures.network import models_of
from danlu.objective import describe_orders, incompatibility, unmet_needs
from danlu.registry import Registry, architectures, objectives
from danlu.settings import Settings


@dataclass(frozen=True)
class Pair:
    """Whether an architecture supports an objective."""

    objective: str
    architecture: str
    allowed: bool
    reason: str  # why it is not allowed, or the settings of the architecture with which it is


def variants(registry: Registry, name: str) -> Iterator[tuple[Mapping[str, Any], Any]]:
    """Yield (settings, instance) of each variant of a registered class, whose settings change its needs or offers."""
    cls: Any = registry[name]
    for settings in cls.variants:
        yield settings, registry.validate({"name": name, **settings})


Variant = tuple[Mapping[str, Any], Mapping[str, Any]]
"""The settings of a variant of an architecture, and its models by role."""


def build_variants(architecture: str) -> list[Variant]:
    """Build the models of each variant of an architecture, without memory for weights."""
    with torch.device("meta"):
        return [(settings, models_of(variant)) for settings, variant in variants(architectures, architecture)]


def check_pair(objective: str, architecture: str, built: Sequence[Variant]) -> Pair:
    """Check an objective with its default settings against all variants of an architecture; one must support it."""
    _, instance = next(variants(objectives, objective))
    reasons, supporting = [], []
    for settings, models in built:
        reason = incompatibility(instance, models, architecture)  # type: ignore[arg-type]
        if reason is None:
            supporting.append(settings)
        else:
            reasons.append(reason)
    if supporting:
        required = ", ".join(f"{key} {value}" for key, value in supporting[0].items()) if reasons else ""
        return Pair(objective, architecture, True, f"with {required}" if required else "")
    reason = reasons[0] if len(set(reasons)) == 1 else combined_reason(instance, built, architecture)
    return Pair(objective, architecture, False, reason)


def combined_reason(objective: Settings, built: Sequence[Variant], architecture: str) -> str:
    """Return why no variant of an architecture supports an objective if the variants have different reasons."""
    offers: dict[str, frozenset[str]] = {}  # of all variants together, by role
    for _, models in built:
        for role, model in models.items():
            offers[role] = offers.get(role, frozenset()) | model.offers
    instance: Any = objective
    keys = " or ".join(sorted({key for settings, _ in built for key in settings}))
    orders = describe_orders(instance.needs["backbone"])
    return unmet_needs(instance, offers, architecture) or (
        f"{instance.name} needs an architecture with {orders} at the same time; "
        f"{architecture} offers one or the other, depending on {keys}"
    )


def check_compatible(objective: Settings, architecture: Architecture) -> str | None:
    """Return why an architecture does not support an objective, with the architectures that do; None if it does."""
    with torch.device("meta"):
        reason = incompatibility(objective, models_of(architecture), architecture.name)  # type: ignore[arg-type, attr-defined]
    if reason is None:
        return None
    supporting = []
    for name in architectures:
        for settings, variant in variants(architectures, name):
            with torch.device("meta"):
                compatible = incompatibility(objective, models_of(variant), name) is None  # type: ignore[arg-type]
            if compatible:
                supporting.append(" ".join([name, *(f"with {key} {value}" for key, value in settings.items())]))
    return f"{reason}; supported by: {', '.join(supporting)}" if supporting else reason


def text_objectives() -> list[str]:
    """Return the objectives whose models read text, with default settings; only these can be fine-tuned for a task."""
    return [name for name in objectives if next(variants(objectives, name))[1].reads_tokens]


def compatibility_matrix() -> list[Pair]:
    """Return every pair of a registered objective and architecture."""
    built = {architecture: build_variants(architecture) for architecture in architectures}
    return [
        check_pair(objective, architecture, built[architecture]) for objective in objectives for architecture in built
    ]
