"""A family of transformers models; every preset file defines one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from danlu.architecture import Architecture
from danlu.architectures.presets.weight_names import WeightNames
from danlu.architectures.transformer import Transformer
from danlu.hf_heads import Head
from danlu.objective import Objective
from danlu.tokens.vocabulary import Vocabulary

Config = Mapping[str, Any]
"""The content of a config.json."""


@dataclass(frozen=True)
class Family:
    """A transformers class that computes the same as danlu's Transformer under some settings.

    Attributes:
        model_type: its name in a config.json.
        class_name: its class in transformers.
        head: the head of the class. Objectives with the same head train its models.
        fits: (architecture, objective) -> what to change ("set norm: rms (now layer)"), or None if the class fits.
        config: (settings, vocabulary, dtype) -> its config.json, for settings that fit.
        names: settings -> the names of its weights, for settings that fit.
        settings_of: config -> the settings of the model; raises WrongInput if danlu does not support it.
        prefix: prefix of the base model's weights, which files may lack or have in addition.
        ignored: regular expressions of weights that files may have and danlu does not use.
        copies: {copy: original} of tied weights that files may hold twice.
        settings_by_weights: (settings, names) -> the settings where they depend on the weights that a file has.
        label: danlu's name of it where several classes share a model_type; empty: `model_type`.
        objective_settings: settings of the objective with which the class holds all weights.
    """

    model_type: str
    class_name: str
    head: Head
    fits: Callable[[Architecture, Objective], str | None]
    config: Callable[[Transformer, Vocabulary, str], dict[str, Any]]
    names: Callable[[Transformer], WeightNames]
    settings_of: Callable[[Config], Transformer]
    prefix: str = ""
    ignored: tuple[str, ...] = ()
    copies: Mapping[str, str] = field(default_factory=dict, hash=False)
    settings_by_weights: Callable[[Transformer, frozenset[str]], Transformer] = lambda settings, names: settings
    label: str = ""
    objective_settings: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """The name that danlu gives the family."""
        return self.label or self.model_type

    def ignores(self, name: str) -> bool:
        """Whether danlu does not use a weight of that name."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


@dataclass(frozen=True)
class NoFamily:
    """Why no transformers class computes the same as a model, in one line."""

    reason: str
