"""The families of transformers models that danlu imports and exports: one file and one line here for each."""

from __future__ import annotations

from typing import Any

from danlu.architecture import Architecture
from danlu.architectures.presets import (
    albert,
    bart,
    bert,
    electra,
    gpt2,
    llama,
    ministral,
    modernbert,
    qwen3,
    roberta,
    t5,
)
from danlu.architectures.presets.family import Config, Family, NoFamily
from danlu.architectures.presets.weight_names import from_hf, to_hf
from danlu.errors import WrongInput, nearest
from danlu.hf_heads import Head
from danlu.objective import Objective, settings_with_hf_head

FAMILIES: tuple[Family, ...] = (
    qwen3.FAMILY,
    llama.FAMILY,
    ministral.FAMILY,
    modernbert.FAMILY,
    gpt2.FAMILY,
    bert.FAMILY,
    bert.PRETRAINING,
    roberta.FAMILY,
    albert.FAMILY,
    electra.FAMILY,
    electra.GENERATOR,
    t5.FAMILY,
    bart.FAMILY,
)
"""The first that fits is used."""

ENCODERS: tuple[Family, ...] = (bert.ENCODER, roberta.ENCODER, modernbert.ENCODER)
"""The same without a head; they are read and written, and nothing is trained as one."""

EVERY = (*FAMILIES, *ENCODERS)


def family_for(settings: Architecture, objective: Objective) -> Family | NoFamily:
    """Return the family that computes the same as a network of this architecture and objective."""
    reasons = {family: family.fits(settings, objective) for family in EVERY}
    for family, reason in reasons.items():
        if reason is None:
            return family
    head, name = objective.hf_head, objective.name
    near = [f"{family.class_name}: {reason}" for family, reason in reasons.items() if family.head == head]
    known = ", ".join(sorted({able for family in FAMILIES for able in settings_with_hf_head(family.head)}))
    return NoFamily("; ".join(near) or f"no transformers class has the head of objective {name}; use one of {known}")


def family_of(config: Config, where: str = "config.json") -> Family:
    """Return the family of a config.json."""
    kind: Any = config.get("model_type")
    known = [family for family in EVERY if family.model_type == kind]
    if not known:
        names = [family.model_type for family in FAMILIES]
        raise WrongInput(f"{where}: model_type {kind!r} is not supported; {nearest(str(kind), names)}")
    classes = config.get("architectures") or [known[0].class_name]
    for family in known:
        if family.class_name in classes:
            return family
    able = " and ".join(family.class_name for family in known)
    raise WrongInput(f"{where}: class {classes[0]} is not supported; of {kind} danlu supports {able}")


def family_named(name: str, head: Head | None) -> Family | None:
    """Return the family of that name whose class has that head."""
    return next((family for family in EVERY if (family.name, family.head) == (name, head)), None)


__all__ = [
    "ENCODERS",
    "FAMILIES",
    "Family",
    "NoFamily",
    "family_for",
    "family_named",
    "family_of",
    "from_hf",
    "to_hf",
]
