"""Conversion of weights between danlu and transformers; one table of names defines both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.errors import WrongInput


@dataclass(frozen=True)
class Weight:
    """One weight of a Hugging Face class: one or more of danlu's weights, concatenated along the first dimension."""

    theirs: str  # name in transformers
    ours: tuple[str, ...]  # names in danlu
    rows: tuple[int, ...] = ()  # rows of each of `ours`, required if there are several
    transposed: bool = False  # whether it is stored as [inputs, outputs] (GPT-2's Conv1D)
    as_row: bool = False  # whether a vector is stored as [1, n]
    reversed: bool = False  # whether its rows are in reverse order


WeightNames = tuple[Weight, ...]


def linear(
    theirs: str,
    *ours: str,
    rows: tuple[int, ...] = (),
    bias: bool = False,
    transposed: bool = False,
    reversed: bool = False,
) -> WeightNames:
    """Return the weight, and with `bias` the bias, of a linear layer that joins one or more of danlu's layers."""
    kinds = ("weight", "bias") if bias else ("weight",)
    return tuple(
        Weight(f"{theirs}.{kind}", tuple(f"{name}.{kind}" for name in ours), rows, transposed, reversed=reversed)
        for kind in kinds
    )


def to_hf(names: WeightNames, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the weights of a network to those of the Hugging Face class.

    Raises:
        WrongInput: if a weight is missing or unknown.
    """
    check_weight_names([name for weight in names for name in weight.ours], state, "the model")
    converted = {}
    for weight in names:
        parts = [state[name] for name in weight.ours]
        value = _transpose_or_reverse(weight, torch.cat(parts) if len(parts) > 1 else parts[0])
        converted[weight.theirs] = value[None] if weight.as_row else value
    return converted


def from_hf(names: WeightNames, state: Mapping[str, Tensor], where: str = "the file") -> dict[str, Tensor]:
    """Convert the weights of the Hugging Face class to those of a network, the inverse of `to_hf`.

    Args:
        names: the table of names.
        state: the weights of the Hugging Face class.
        where: name of the source in error messages.

    Raises:
        WrongInput: if a weight is missing, unknown or has the wrong number of rows.
    """
    check_weight_names([weight.theirs for weight in names], state, where)
    converted = {}
    for weight in names:
        value = state[weight.theirs].squeeze(0) if weight.as_row else state[weight.theirs]
        value = _transpose_or_reverse(weight, value)
        if len(weight.ours) == 1:
            converted[weight.ours[0]] = value
            continue
        if value.dim() == 0 or len(value) != sum(weight.rows):
            shape = " x ".join(map(str, value.shape))
            raise WrongInput(
                f"{where}: {weight.theirs} is {shape}, not {sum(weight.rows)} rows as its config.json says"
            )
        for name, part in zip(weight.ours, value.split(weight.rows), strict=True):
            converted[name] = part.clone()  # a copy, since a view would keep the whole tensor in memory
    return converted


def _transpose_or_reverse(weight: Weight, value: Tensor) -> Tensor:
    """Convert the layout of a tensor; the conversion is its own inverse."""
    value = value.T.contiguous() if weight.transposed and value.dim() == 2 else value
    return value.flip(0) if weight.reversed else value


def check_weight_names(wanted: Iterable[str], found: Iterable[str], where: str) -> None:
    """Raise WrongInput if the names of weights differ from the expected ones; `where` is the source in the message."""
    expected, given = set(wanted), set(found)
    for verb, names in (("lacks", expected - given), ("has an unknown", given - expected)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WrongInput(f"{where} {verb} weight {min(names)}{more}; the settings are not those it was saved with")
