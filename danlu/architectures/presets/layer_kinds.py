"""Which layers attend within a window, as configs of transformers list it (`layer_types`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from danlu.architectures.presets.family import Config
from danlu.architectures.presets.requirements import need
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput

GLOBAL, LOCAL = "full_attention", "sliding_attention"

WINDOWS = frozenset({"window", "global_every"})
"""Settings that decide it."""


def kinds_of(layers: int, every: int) -> list[str]:
    """Return the kind of each layer where every `every`-th, from the first, is global."""
    return [LOCAL if i % every else GLOBAL for i in range(layers)]


def period_of(kinds: Sequence[str], likely: int = 2) -> int | None:
    """Return the `every` of `kinds_of` that gives these kinds, `likely` if it does; None if there is none."""
    periods = (likely, *range(2, len(kinds) + 1))
    return next((every for every in periods if list(kinds) == kinds_of(len(kinds), every)), None)


def causal_window(settings: Transformer) -> int | None:
    """Return the number of positions that a causal layer with a window attends to, itself included.

    None if no layer has a window. danlu's `window` is the largest distance, which is one less.
    """
    kinds = kinds_of(settings.layers, settings.global_every)
    return None if settings.window is None or LOCAL not in kinds else settings.window + 1


def window_config(settings: Transformer) -> dict[str, Any]:
    """Return the config fields of a causal model whose layers may have windows."""
    size = causal_window(settings)
    kinds = kinds_of(settings.layers, settings.global_every if size else 1)
    return {"sliding_window": size, "layer_types": kinds}


def window_settings(config: Config) -> dict[str, Any]:
    """Return the settings that such fields describe."""
    kinds = config.get("layer_types") or []
    if LOCAL not in kinds:
        return {"window": None}
    every = period_of(kinds)
    if every is None:
        raise WrongInput(
            "config.json: layer_types are irregular; danlu supports global attention in every n-th layer only"
        )
    return {"window": need(config, "sliding_window") - 1, "global_every": every}


def window_mismatch(settings: Transformer) -> str | None:
    """Return what a family with one base of the rotary angles for all layers cannot have."""
    if causal_window(settings) and settings.local_theta not in (None, settings.theta):
        return f"set local_theta: null (now {settings.local_theta:g}), since all layers have theta {settings.theta:g}"
    return None
