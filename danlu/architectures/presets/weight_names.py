"""Weights under danlu's names and under those of a transformers class: one table, read both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.errors import WrongInput


@dataclass(frozen=True)
class Weight:
    """One weight of the transformers class.

    It is made of `ours`, one after another along their first dimension; `rows`, the length of each there, is needed
    where there are several. `transposed`: a matrix is kept as [inputs, outputs] (GPT-2's Conv1D). `as_row`: a vector
    is kept as [1, n].
    """

    theirs: str
    ours: tuple[str, ...]
    rows: tuple[int, ...] = ()
    transposed: bool = False
    as_row: bool = False


WeightNames = tuple[Weight, ...]


def linear(
    theirs: str, *ours: str, rows: tuple[int, ...] = (), bias: bool = False, transposed: bool = False
) -> WeightNames:
    """The weight, and with `bias` the bias, of a linear layer made of one or more of ours."""
    kinds = ("weight", "bias") if bias else ("weight",)
    return tuple(
        Weight(f"{theirs}.{kind}", tuple(f"{name}.{kind}" for name in ours), rows, transposed) for kind in kinds
    )


def to_hf(names: WeightNames, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network's weights under the names of the transformers class, none missing and none left over."""
    refuse_other_names([name for weight in names for name in weight.ours], state, "the model")
    made = {}
    for weight in names:
        parts = [state[name] for name in weight.ours]
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        made[weight.theirs] = _turned(weight, whole)[None] if weight.as_row else _turned(weight, whole)
    return made


def from_hf(names: WeightNames, state: Mapping[str, Tensor], where: str = "the file") -> dict[str, Tensor]:
    """The inverse of `to_hf`, exactly; `where` is what an error calls the source of `state`."""
    refuse_other_names([weight.theirs for weight in names], state, where)
    made = {}
    for weight in names:
        whole = _turned(weight, state[weight.theirs].squeeze(0) if weight.as_row else state[weight.theirs])
        if len(weight.ours) == 1:
            made[weight.ours[0]] = whole
            continue
        if whole.dim() == 0 or len(whole) != sum(weight.rows):
            shape = " x ".join(map(str, whole.shape))
            raise WrongInput(f"{where}: {weight.theirs} is {shape}, not {sum(weight.rows)} rows; its config is another")
        for name, part in zip(weight.ours, whole.split(weight.rows), strict=True):
            made[name] = part.clone()  # a weight of its own, not a view that keeps the others alive
    return made


def _turned(weight: Weight, whole: Tensor) -> Tensor:
    return whole.T.contiguous() if weight.transposed and whole.dim() == 2 else whole


def refuse_other_names(wanted: Iterable[str], found: Iterable[str], where: str) -> None:
    """One line when the names of weights are not exactly the wanted ones."""
    asked, given = set(wanted), set(found)
    for verb, names in (("lacks", asked - given), ("has an unknown", given - asked)):
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise WrongInput(f"{where} {verb} weight {min(names)}{more}; the settings are not those it was saved with")
