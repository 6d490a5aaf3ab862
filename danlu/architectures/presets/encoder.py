"""A family's class without a head (BertModel and its like): hidden states, and nothing that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config, Family
from danlu.architectures.presets.requirements import shown
from danlu.architectures.presets.weight_names import WeightNames
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import HIDDEN_STATES, Head
from danlu.objective import Objective
from danlu.tokens.vocabulary import Vocabulary

NOTHING = "headless"
"""danlu's name for what such a class is trained by."""

NO_HEAD: Mapping[str, Any] = {"tied": True, "output_bias": False}
"""Settings under which a network has no weights that only a vocabulary head uses."""

OF_HEAD = ("head.", "output_bias", "unembedding.")
"""How the names of a head's weights begin in a network."""


@dataclass(frozen=True)
class HeadOnly:
    """As much of an objective as `Family.fits` looks at."""

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
    """The class of `family` that ends at the hidden states.

    prefix: what its names of weights lack; head_settings: the family's settings where NO_HEAD has others; head_config:
    fields that only a head reads, at the values `family` takes; ignored: see `Family`.
    """

    def headed(settings: Transformer) -> Transformer:
        return settings.model_copy(update=dict(head_settings or {}))

    def fits(settings: Architecture, objective: Objective) -> str | None:
        if objective.hf_head != HIDDEN_STATES:
            return f"needs objective {NOTHING}, not {objective.name}"
        if not isinstance(settings, Transformer):
            return f"needs architecture transformer, not {settings.name}"
        for key, value in NO_HEAD.items():
            if getattr(settings, key) != value:
                return f"needs {key} {shown(value)}, not {shown(getattr(settings, key))}"
        return family.fits(headed(settings), HeadOnly(family.name, family.head))  # type: ignore[arg-type]

    def config(settings: Transformer, vocabulary: Vocabulary, dtype: str) -> dict[str, Any]:
        return family.config(headed(settings), vocabulary, dtype) | {"architectures": [class_name]}

    def names(settings: Transformer) -> WeightNames:
        body = [weight for weight in family.names(headed(settings)) if not weight.ours[0].startswith(OF_HEAD)]
        return tuple(replace(weight, theirs=weight.theirs.removeprefix(prefix)) for weight in body)

    def settings_of(config: Config) -> Transformer:
        return family.settings_of({**config, **(head_config or {})}).model_copy(update=dict(NO_HEAD))

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
