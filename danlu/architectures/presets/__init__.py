"""Which transformers classes danlu's models turn into: one file and one line here for each family."""

from __future__ import annotations

from typing import Any

from danlu.architectures.presets import bart, bert, gpt2, llama, modernbert, qwen3, roberta, t5
from danlu.architectures.presets.family import Config, Family, NoFamily
from danlu.architectures.presets.weight_names import from_hf, to_hf
from danlu.errors import WrongInput, nearest
from danlu.settings import Settings
from danlu.waist import Objective

FAMILIES: tuple[Family, ...] = (
    qwen3.FAMILY,
    llama.FAMILY,
    modernbert.FAMILY,
    gpt2.FAMILY,
    bert.FAMILY,
    roberta.FAMILY,
    t5.FAMILY,
    bart.FAMILY,
)
"""The first that fits is taken."""


def family_for(settings: Settings, objective: Objective) -> Family | NoFamily:
    """The family that computes what a learner of this architecture and objective does."""
    reasons = {family: family.fits(settings, objective) for family in FAMILIES}
    for family, reason in reasons.items():
        if reason is None:
            return family
    name = getattr(objective, "name", type(objective).__name__)
    near = [f"{family.class_name} {reason}" for family, reason in reasons.items() if family.objective == name]
    known = ", ".join(sorted({family.objective for family in FAMILIES}))
    return NoFamily("; ".join(near) or f"no transformers class is trained by objective {name}; those of {known} are")


def family_of(config: Config, where: str = "config.json") -> Family:
    """The family a config.json is of."""
    kind: Any = config.get("model_type")
    for family in FAMILIES:
        if family.model_type == kind:
            classes = config.get("architectures") or [family.class_name]
            if family.class_name not in classes:
                raise WrongInput(f"{where}: it holds a {classes[0]}; of {kind} danlu reads {family.class_name}")
            return family
    raise WrongInput(
        f"{where}: danlu reads no model_type {kind!r}; {nearest(str(kind), [f.model_type for f in FAMILIES])}"
    )


__all__ = ["FAMILIES", "Family", "NoFamily", "family_for", "family_of", "from_hf", "to_hf"]
