"""What danlu knows of one family of transformers models; every preset file ends in one of these."""

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
"""What a config.json holds."""


@dataclass(frozen=True)
class Family:
    """A transformers class that computes the same as danlu's Transformer under some settings.

    model_type, class_name: its names in transformers; label: danlu's name of it where several classes have one
    model_type, that name itself where not given; head: what it predicts, by which objectives are told that fit;
    objective_settings: those of such an objective with which the class holds all of its weights.
    fits(architecture, objective): None, or a clause that names the setting that does not ("needs norm rms, not layer").
    config(settings, vocabulary, dtype): its config.json; for settings that fit.
    names(settings): its weights; for settings that fit.
    settings_of(config): the settings whose model this config describes; WrongInput where danlu has none.
    prefix: of the base model's weights, which files may lack or have in addition.
    ignored: regular expressions of weights that its files may have and danlu computes nothing with.
    copies: {copy: original} of tied weights that files may hold twice.
    settings_by_weights(settings, names): the settings where they depend on which weights the file has.
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
        return self.label or self.model_type

    def ignores(self, name: str) -> bool:
        """Whether danlu computes nothing with a weight of that name."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


@dataclass(frozen=True)
class NoFamily:
    """Why no transformers class computes what a model does, in one line."""

    reason: str
