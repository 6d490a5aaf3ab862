"""Checks of settings against the requirements of a family, and of a config.json against what danlu supports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import Head
from danlu.objective import Objective, settings_with_hf_head

SIZES = frozenset(
    {"name", "layers", "width", "heads", "kv_heads", "head_dim", "ffn_dim", "context", "epsilon", "theta", "tied"}
    | {"decoder_layers", "shared_embeddings", "dropout"}
)
"""Settings that may have any value. Decoder settings have no effect without a decoder, and dropout has none after
training."""


def yaml_value(value: Any) -> str:
    """Return a value in the syntax of a recipe."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def head_mismatch(objective: Objective, head: Head) -> str | None:
    """Return which objectives have the given head if this one does not; otherwise None."""
    if objective.hf_head == head:
        return None
    names = " or ".join(settings_with_hf_head(head))
    replacement = f"objective {names}" if names else f"an objective with the head of {head.auto_class}"
    return f"train with {replacement} (currently {objective.name})"


def settings_mismatch(
    settings: Architecture, objective: Objective, head: Head, fixed: Mapping[str, Any], free: frozenset[str] = SIZES
) -> str | None:
    """Return what to change if a model does not match a family; otherwise None.

    Args:
        settings: the architecture of the model.
        objective: the objective of the model.
        head: the head of the family.
        fixed: values that the family requires.
        free: settings that may have any value. All other settings must have the default of the Transformer, so that a
            new setting does not match until the family lists it.
    """
    if reason := head_mismatch(objective, head):
        return reason
    if not isinstance(settings, Transformer):
        return f"use architecture transformer or one of its presets (currently {settings.name})"
    for name, value in settings:
        default = Transformer.model_fields.get(name, type(settings).model_fields[name]).default
        required = fixed.get(name, default)
        if name not in free and value != required:
            return f"set {name}: {yaml_value(required)} (currently {yaml_value(value)})"
    return None


def multi_head_mismatch(settings: Transformer) -> str | None:
    """Return which setting to change for plain multi-head attention: no shared keys, and heads x head_dim = width."""
    if settings.num_kv_heads != settings.heads:
        return f"set kv_heads: {settings.heads}, the number of heads (currently {settings.num_kv_heads})"
    if settings.head_size * settings.heads != settings.width:
        return f"set head_dim: null, so that heads add up to width {settings.width} (currently {settings.head_size})"
    return None


def require(config: Config, key: str) -> Any:
    """Return a required field of a config.json; WrongInput if it is missing."""
    if config.get(key) is None:
        raise WrongInput(f"config.json has no {key}, which a configuration of {config.get('model_type')} must have")
    return config[key]


def expect(config: Config, fixed: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
    """Raise WrongInput if a field of a config.json does not have the only value that danlu supports.

    Args:
        config: the content of the config.json.
        fixed: the supported value of each field.
        defaults: defaults of transformers for missing fields, if they differ from the supported value.
    """
    for key, value in fixed.items():
        given = config.get(key, (defaults or {}).get(key, value))
        if given != value:
            raise WrongInput(
                f"config.json: {key} is {yaml_value(given)}; danlu supports {config['model_type']} with "
                f"{yaml_value(value)} only"
            )


def rope_theta(config: Config, parameters: Any, older: str, default: float) -> float:
    """Return the base of unscaled rotary positions, from `rope_parameters` (transformers 5) or the `older` field."""
    given = parameters or config.get("rope_scaling") or {}
    if not isinstance(given, Mapping):
        raise WrongInput(f"config.json: rotary parameters are {given!r}; expected a table of names and values")
    kind = given.get("rope_type", given.get("type", "default"))
    fraction = given.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if kind != "default" or fraction not in (None, 1):
        raise WrongInput(f"config.json: rotary positions are scaled ({kind}) or partial; danlu supports neither")
    theta = given.get("rope_theta") or config.get(older)
    return default if theta is None else theta


def transformer(values: Mapping[str, Any]) -> Transformer:
    """Return validated settings; WrongInput names the first invalid one."""
    try:
        return Transformer.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "sizes"
        raise WrongInput(f"config.json: {place}: {first['msg']}; danlu cannot build this model") from None
