"""`Family`, the description of a family of Hugging Face models; every preset file defines one."""

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
    """A Hugging Face class that is equivalent to danlu's Transformer with certain settings.

    Attributes:
        model_type: the value of `model_type` in a config.json.
        class_name: name of the class in transformers.
        head: the head of the class. Objectives with the same head train models of this class.
        mismatch: (architecture, objective) -> what to change, such as "set norm: rms (currently layer)"; None if the
            class matches.
        config: (settings, vocabulary, dtype) -> the config.json of a model with matching settings.
        names: settings -> the weight names of a model with matching settings.
        settings_of: config -> the settings of the model; raises WrongInput if danlu does not support it.
        prefix: prefix of the base model's weights; files with and without it are accepted.
        ignored: regular expressions of the names of weights in files that danlu does not use.
        copies: {copy: original} of tied weights that files may contain twice.
        settings_by_weights: (settings, names) -> the settings, adjusted to the names of the weights in a file.
        label: name of the family in danlu if several classes share a model_type; empty: `model_type`.
        objective_settings: settings of the objective with which its head has exactly the weights of the class.
    """

    model_type: str
    class_name: str
    head: Head
    mismatch: Callable[[Architecture, Objective], str | None]
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
        """The name of the family in danlu."""
        return self.label or self.model_type

    def ignores(self, name: str) -> bool:
        """Whether danlu does not use a weight of that name."""
        return any(re.fullmatch(pattern, name) for pattern in self.ignored)


@dataclass(frozen=True)
class NoFamily:
    """Why no Hugging Face class implements a model, in one line."""

    reason: str
