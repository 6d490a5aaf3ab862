"""Conversion between danlu's weight names and those of a transformers class, both ways by one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.errors import WrongInput


@dataclass(frozen=True)
class Weight:
    """One weight of the transformers class.

    It is the concatenation of one or more of danlu's weights along the first dimension.
    """

    theirs: str  # name in transformers
    ours: tuple[str, ...]  # names in danlu
    rows: tuple[int, ...] = ()  # rows of each of `ours`, required if there are several
    transposed: bool = False  # stored as [inputs, outputs] (GPT-2's Conv1D)
    as_row: bool = False  # a vector that is stored as [1, n]
    reversed: bool = False  # its rows are in the opposite order


WeightNames = tuple[Weight, ...]


def linear(
    theirs: str,
    *ours: str,
    rows: tuple[int, ...] = (),
    bias: bool = False,
    transposed: bool = False,
    reversed: bool = False,
) -> WeightNames:
    """Return the weight, and with `bias` the bias, of a linear layer that consists of one or more of danlu's."""
    kinds = ("weight", "bias") if bias else ("weight",)
    return tuple(
        Weight(f"{theirs}.{kind}", tuple(f"{name}.{kind}" for name in ours), rows, transposed, reversed=reversed)
        for kind in kinds
    )


def to_hf(names: WeightNames, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a network under the names of the transformers class.

    Raises:
        WrongInput: if a weight is missing or left over.
    """
    refuse_other_names([name for weight in names for name in weight.ours], state, "the model")
    made = {}
    for weight in names:
        parts = [state[name] for name in weight.ours]
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        made[weight.theirs] = _turned(weight, whole)[None] if weight.as_row else _turned(weight, whole)
    return made


def from_hf(names: WeightNames, state: Mapping[str, Tensor], where: str = "the file") -> dict[str, Tensor]:
    """Invert `to_hf` exactly; error messages call the source of the weights `where`."""
    refuse_other_names([weight.theirs for weight in names], state, where)
    made = {}
    for weight in names:
        whole = _turned(weight, state[weight.theirs].squeeze(0) if weight.as_row else state[weight.theirs])
        if len(weight.ours) == 1:
            made[weight.ours[0]] = whole
            continue
        if whole.dim() == 0 or len(whole) != sum(weight.rows):
            shape = " x ".join(map(str, whole.shape))
            raise WrongInput(
                f"{where}: {weight.theirs} is {shape}, not {sum(weight.rows)} rows as its config.json says"
            )
        for name, part in zip(weight.ours, whole.split(weight.rows), strict=True):
            made[name] = part.clone()  # a copy, since a view would keep the whole tensor alive
    return made


def _turned(weight: Weight, whole: Tensor) -> Tensor:
    whole = whole.T.contiguous() if weight.transposed and whole.dim() == 2 else whole
    return whole.flip(0) if weight.reversed else whole


def refuse_other_names(wanted: Iterable[str], found: Iterable[str], where: str) -> None:
    """Raise WrongInput if the names of weights are not exactly those that are wanted."""
    asked, given = set(wanted), set(found)
    for verb, names in (("lacks", asked - given), ("has an unknown", given - asked)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WrongInput(f"{where} {verb} weight {min(names)}{more}; the settings are not those it was saved with")
