"""The families of Hugging Face models that danlu imports and exports: one file and one line here for each."""

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
"""Families with a head. The first that matches a model is used."""

ENCODERS: tuple[Family, ...] = (bert.ENCODER, roberta.ENCODER, modernbert.ENCODER)
"""Families without a head, for import and export only; no objective trains such a model."""

ALL_FAMILIES = (*FAMILIES, *ENCODERS)


def family_for(settings: Architecture, objective: Objective) -> Family | NoFamily:
    """Return the family that implements a network of this architecture and objective, or the reason why none does."""
    reasons = {family: family.mismatch(settings, objective) for family in ALL_FAMILIES}
    for family, reason in reasons.items():
        if reason is None:
            return family
    head, name = objective.hf_head, objective.name
    same_head = [f"{family.class_name}: {reason}" for family, reason in reasons.items() if family.head == head]
    known = ", ".join(sorted({settings for family in FAMILIES for settings in settings_with_hf_head(family.head)}))
    return NoFamily(
        "; ".join(same_head) or f"no transformers class has the head of objective {name}; use one of {known}"
    )


def family_of(config: Config, where: str = "config.json") -> Family:
    """Return the family of a config.json; error messages call the file `where`.

    Raises:
        WrongInput: if danlu does not support the model type or the class.
    """
    kind: Any = config.get("model_type")
    known = [family for family in ALL_FAMILIES if family.model_type == kind]
    if not known:
        names = [family.model_type for family in FAMILIES]
        raise WrongInput(f"{where}: model_type {kind!r} is not supported; {nearest(str(kind), names)}")
    classes = config.get("architectures") or [known[0].class_name]
    for family in known:
        if family.class_name in classes:
            return family
    supported = " and ".join(family.class_name for family in known)
    raise WrongInput(f"{where}: class {classes[0]} is not supported; of {kind} danlu supports {supported}")


def family_named(name: str, head: Head | None) -> Family | None:
    """Return the family with that name and head; None if there is none."""
    return next((family for family in ALL_FAMILIES if (family.name, family.head) == (name, head)), None)


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
