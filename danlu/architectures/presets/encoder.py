"""A family's class without a head (BertModel and the like): it returns hidden states and predicts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.weight_names import WeightNames
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import HIDDEN_STATES, Head
from danlu.objective import Objective
from danlu.tokens.vocabulary import Vocabulary

OF_HEAD = ("head.", "output_bias", "unembedding.")
"""Prefixes of the weights of a head in a network."""


@dataclass(frozen=True)
class HeadOnly:
    """The part of an objective that `Family.fits` uses."""

    name: str
    hf_head: Head


def without_head(
    family: Family,
    class_name: str,
    prefix: str,
    head_settings: Mapping[str, Any] | None = None,
    head_config: Mapping[str, Any] | None = None,
    ignored: tuple[str, ...] = (),
) -> Family:
    """Return the class of `family` that ends at the hidden states.

    Its settings are those of the family with a head, so that training with an objective that predicts tokens gives a
    model that is exported as the class with the head.

    Args:
        class_name: its name in transformers.
        prefix: of the family's weight names; this class has none.
        head_settings: settings that only a head depends on, at the values that the family requires.
        head_config: config fields that only a head depends on, at the values that the family requires.
        ignored: as in `Family`.
    """

    def headed(settings: Transformer) -> Transformer:
        return settings.model_copy(update=dict(head_settings or {}))

    def fits(settings: Architecture, objective: Objective) -> str | None:
        if objective.hf_head != HIDDEN_STATES:
            return f"has no prediction head; use a class that has one for objective {objective.name}"
        if not isinstance(settings, Transformer):
            return f"use architecture transformer or one of its presets (now {settings.name})"
        return family.fits(headed(settings), HeadOnly(family.name, family.head))  # type: ignore[arg-type]

    def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
        return family.config(headed(settings), vocabulary, dtype) | {"architectures": [class_name]}

    def names(settings: Transformer) -> WeightNames:
        body = [weight for weight in family.names(headed(settings)) if not weight.ours[0].startswith(OF_HEAD)]
        return tuple(replace(weight, theirs=weight.theirs.removeprefix(prefix)) for weight in body)

    def settings_of(config: Config) -> Transformer:
        return family.settings_of({**config, **(head_config or {})})

    return replace(
        family,
        class_name=class_name,
        head=HIDDEN_STATES,
        fits=fits,
        config=config,
        names=names,
        settings_of=settings_of,
        ignored=ignored,
        copies={},
    )
