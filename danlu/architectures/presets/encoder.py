"""Hugging Face classes without a head, such as `BertModel`, which return hidden states."""

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

HEAD_PREFIXES = ("head.", "output_bias", "unembedding.")
"""Prefixes of the names of a head's weights in a network."""


@dataclass(frozen=True)
class HeadOnly:
    """Stand-in for an objective with the two members that `Family.mismatch` uses."""

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
    """Return the family of the same models without a head.

    The settings include those of the head, so that a model that is trained further with an objective that predicts
    tokens can be exported as the class with a head.

    Args:
        family: the family with a head.
        class_name: name of the class in transformers.
        prefix: prefix of the family's weight names, which the class without a head does not have.
        head_settings: settings of the head, with the values that the family requires.
        head_config: fields of config.json about the head, with the values that the family requires.
        ignored: regular expressions of the names of weights that danlu does not use, as in `Family`.
    """

    def with_head_settings(settings: Transformer) -> Transformer:
        return settings.model_copy(update=dict(head_settings or {}))

    def mismatch(settings: Architecture, objective: Objective) -> str | None:
        if objective.hf_head != HIDDEN_STATES:
            return f"has no prediction head; use a class that has one for objective {objective.name}"
        if not isinstance(settings, Transformer):
            return f"use architecture transformer or one of its presets (currently {settings.name})"
        return family.mismatch(with_head_settings(settings), HeadOnly(family.name, family.head))  # type: ignore[arg-type]

    def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
        return family.config(with_head_settings(settings), vocabulary, dtype) | {"architectures": [class_name]}

    def names(settings: Transformer) -> WeightNames:
        body = [
            weight
            for weight in family.names(with_head_settings(settings))
            if not weight.ours[0].startswith(HEAD_PREFIXES)
        ]
        return tuple(replace(weight, theirs=weight.theirs.removeprefix(prefix)) for weight in body)

    def settings_of(config: Config) -> Transformer:
        return family.settings_of({**config, **(head_config or {})})

    return replace(
        family,
        class_name=class_name,
        head=HIDDEN_STATES,
        mismatch=mismatch,
        config=config,
        names=names,
        settings_of=settings_of,
        ignored=ignored,
        copies={},
    )
