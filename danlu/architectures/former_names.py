"""Weight names of earlier versions of danlu."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

PREFIXES: Mapping[str, str] = {
    "parts.": "head.",
    "embedders.": "embeddings.",
    "decoder_embedders.": "decoder_embeddings.",
}
"""{former prefix: current prefix}. No current name starts with a former prefix, so renaming is unambiguous."""


def with_current_names(state: Mapping[str, Value]) -> dict[str, Value]:
    """Return `state` with the current names of the weights, in unchanged order."""
    return {current_name(name): value for name, value in state.items()}


def current_name(name: str) -> str:
    """Return the current name of one weight."""
    for former, current in PREFIXES.items():
        if name.startswith(former):
            return current + name.removeprefix(former)
    return name


def former_name(name: str) -> str:
    """Return the name that a weight had in earlier versions."""
    for former, current in PREFIXES.items():
        if name.startswith(current):
            return former + name.removeprefix(current)
    return name
