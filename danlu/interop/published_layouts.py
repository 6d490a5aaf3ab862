"""Map weight names, as published by transformers or the authors of a model, to those of the current class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from danlu.architectures.presets import Family
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput

LEGACY_SUFFIXES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Names from TensorFlow checkpoints."""


def align_names(
    state: Mapping[str, Tensor], family: Family, settings: Transformer, path: Path
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Rename the weights of a file to the names of the family's class.

    Handles a missing or extra prefix of the base model ("bert.", "transformer."), names from TensorFlow, copies of tied
    weights, and weights that danlu does not use, such as extra heads and buffers. Unknown names are kept, for the
    caller to refuse.

    Returns:
        The renamed weights, and the names of those that were ignored.

    Raises:
        WrongInput: if two names mean the same weight and their values differ.
    """
    expected = {weight.theirs for weight in family.names(settings)}
    aligned: dict[str, Tensor] = {}
    ignored, copies = [], {}
    for name in sorted(state, key=lambda name: (name not in expected, name)):  # exact names first
        candidates = list(spellings(name, family.prefix))
        current = next((each for each in candidates if each in expected), None)
        original = next((family.copies[each] for each in candidates if each in family.copies), None)
        if current is not None:
            add_weight(aligned, current, state[name], name, path)
        elif original in expected:
            copies[name] = original
        elif any(family.ignores(each) for each in candidates):
            ignored.append(name)
        else:
            aligned[name] = state[name]
    for name, original in copies.items():
        add_weight(aligned, original, state[name], name, path)
    return aligned, tuple(ignored)


def add_weight(aligned: dict[str, Tensor], current: str, value: Tensor, name: str, path: Path) -> None:
    """Add one weight, or check that it equals the existing one."""
    if current not in aligned:
        aligned[current] = value
    elif aligned[current].shape != value.shape or not torch.equal(aligned[current], value):
        raise WrongInput(f"{path}: {name} differs from {current}, to which its class ties it; save the model again")


def spellings(name: str, prefix: str) -> Iterator[str]:
    """Yield the possible names of a weight in the current class, the most likely first."""
    modern = name
    for former, current in LEGACY_SUFFIXES.items():
        if name.endswith(former):
            modern = name.removesuffix(former) + current
    yield modern
    if prefix:
        yield modern.removeprefix(prefix) if modern.startswith(prefix) else prefix + modern


def stored_names(path: Path) -> frozenset[str]:
    """Return the names of the weights in a file, without reading them; empty if there is no such file."""
    if not path.is_file():
        return frozenset()
    try:
        with safe_open(path, "pt") as file:
            return frozenset(file.keys())
    except SafetensorError as error:
        raise WrongInput(f"{path} is damaged ({' '.join(str(error).split())}); save the model again") from None
