"""Conversion between danlu's window settings and the field `layer_types` of transformers' configs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from danlu.architectures.presets.family import Config
from danlu.architectures.presets.requirements import require
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput

GLOBAL, LOCAL = "full_attention", "sliding_attention"

WINDOWS = frozenset({"window", "global_every"})
"""The settings that determine the kind of each layer."""


def kinds_of(layers: int, period: int) -> list[str]:
    """Return the kind of each layer if every `period`-th layer is global, starting with the first."""
    return [LOCAL if i % period else GLOBAL for i in range(layers)]


def period_of(kinds: Sequence[str], preferred: int = 2) -> int | None:
    """Return the period for which `kinds_of` returns `kinds`, `preferred` if possible; None if there is none."""
    periods = (preferred, *range(2, len(kinds) + 1))
    return next((period for period in periods if list(kinds) == kinds_of(len(kinds), period)), None)


def causal_window(settings: Transformer) -> int | None:
    """Return the window size of transformers: the positions that a causal layer attends to, itself included.

    danlu's `window` is the maximum distance, which is one less. Returns None if no layer has a window.
    """
    kinds = kinds_of(settings.layers, settings.global_every)
    return None if settings.window is None or LOCAL not in kinds else settings.window + 1


def window_config(settings: Transformer) -> dict[str, Any]:
    """Return the fields of config.json about the windows of a causal model."""
    size = causal_window(settings)
    kinds = kinds_of(settings.layers, settings.global_every if size else 1)
    return {"sliding_window": size, "layer_types": kinds}


def window_settings(config: Config) -> dict[str, Any]:
    """Return the window settings of a config.json, the inverse of `window_config`."""
    kinds = config.get("layer_types") or []
    if LOCAL not in kinds:
        return {"window": None}
    period = period_of(kinds)
    if period is None:
        raise WrongInput(
            "config.json: layer_types are irregular; danlu supports global attention in every n-th layer only"
        )
    return {"window": require(config, "sliding_window") - 1, "global_every": period}


def window_mismatch(settings: Transformer) -> str | None:
    """Return which setting to change for a family with one rotary base for all layers; None if it matches."""
    if causal_window(settings) and settings.local_theta not in (None, settings.theta):
        return f"set local_theta: null (currently {settings.local_theta:g}): all layers have theta {settings.theta:g}"
    return None
