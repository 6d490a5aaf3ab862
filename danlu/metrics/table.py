"""Tables of figures that say more about predictions than one number can."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DetailTable:
    """A table of results.json and the report, such as a confusion matrix."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | int | None, ...]]  # one value per column; None: undefined

    def __post_init__(self) -> None:
        for name, values in self.rows.items():
            if len(values) != len(self.columns):
                raise ValueError(f"row {name!r} has {len(values)} values, the table has {len(self.columns)} columns")
