"""Whether settings are those of a family, and whether a config.json asks for more than danlu computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from danlu.architecture import Architecture
from danlu.architectures.presets.family import Config
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import Head
from danlu.objective import Objective, with_hf_head

SIZES = frozenset(
    {"name", "layers", "width", "heads", "kv_heads", "head_dim", "ffn_dim", "context", "epsilon", "theta", "tied"}
    | {"decoder_layers", "shared_embeddings", "dropout"}
)
"""Settings that a family may have at any value; those of a decoder play no part where there is none, and dropout (last)
none once a model is trained."""


def shown(value: Any) -> str:
    """A value as a recipe writes it."""
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def other_head(objective: Objective, head: Head) -> str | None:
    """None when the objective's models have that head; else what does."""
    if objective.hf_head == head:
        return None
    able = " or ".join(with_hf_head(head)) or f"with the head of {head.auto_class}"
    return f"needs objective {able}, not {objective.name}"


def misfit(
    settings: Architecture, objective: Objective, head: Head, fixed: Mapping[str, Any], free: frozenset[str] = SIZES
) -> str | None:
    """None when the settings are a Transformer's with the `fixed` values, trained by an objective of that head.

    A setting that is neither fixed nor free is one the family has not heard of: it must be at its default.
    """
    if reason := other_head(objective, head):
        return reason
    if not isinstance(settings, Transformer):
        return f"needs architecture transformer, not {settings.name}"
    for name, field in type(settings).model_fields.items():
        if name in free:
            continue
        value, needed = getattr(settings, name), fixed.get(name, plain_default(name, field))
        if value != needed:
            return f"needs {name} {shown(needed)}, not {shown(value)}"
    return None


def whole_heads(settings: Transformer) -> str | None:
    """None when every head has keys of its own and the heads add up to the width: most families know no others."""
    if settings.num_kv_heads != settings.heads:
        return f"needs kv_heads {settings.heads}, one for each head, not {settings.num_kv_heads}"
    if settings.head_size * settings.heads != settings.width:
        return f"needs head_dim times heads to be width {settings.width}, not {settings.head_size * settings.heads}"
    return None


def plain_default(name: str, field: FieldInfo) -> Any:
    """The Transformer's own default of a setting, also for a preset that has another."""
    return Transformer.model_fields.get(name, field).default


def need(config: Config, key: str) -> Any:
    if config.get(key) is None:
        raise WrongInput(f"config.json has no {key}; it is not a whole {config.get('model_type')} configuration")
    return config[key]


def expect(config: Config, fixed: Mapping[str, Any], absent: Mapping[str, Any] | None = None) -> None:
    """Refuse a config in which a field is not at the only value danlu computes.

    `absent`: what transformers takes where the field is not given, if that is another value.
    """
    for key, value in fixed.items():
        given = config.get(key, (absent or {}).get(key, value))
        if given != value:
            raise WrongInput(f"config.json: {key} is {shown(given)}; danlu's {config['model_type']} has {shown(value)}")


def rope_theta(config: Config, parameters: Any, older: str, default: float) -> float:
    """The base of plain rotary positions, from `rope_parameters` (transformers 5) or the `older` field."""
    given = parameters or config.get("rope_scaling") or {}
    if not isinstance(given, Mapping):
        raise WrongInput(f"config.json: its rotary parameters are {given!r}, not a table of names and values")
    kind = given.get("rope_type", given.get("type", "default"))
    share = given.get("partial_rotary_factor", config.get("partial_rotary_factor"))
    if kind != "default" or share not in (None, 1):
        raise WrongInput(f"config.json: rotary positions are scaled ({kind}) or partial; danlu's are plain")
    theta = given.get("rope_theta") or config.get(older)
    return default if theta is None else theta


def transformer(values: Mapping[str, Any]) -> Transformer:
    """The settings read from a config, or one line that names the first that cannot be."""
    try:
        return Transformer.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "sizes"
        raise WrongInput(f"config.json: {place}: {first['msg']}; it describes no model danlu can build") from None
