"""Training budgets: a time, tokens, epochs, steps or operations, converted once to a number of steps."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

Unit = Literal["seconds", "tokens", "epochs", "steps", "operations"]

_WORDS: dict[str, tuple[float, Unit]] = {
    "s": (1, "seconds"),
    "sec": (1, "seconds"),
    "second": (1, "seconds"),
    "min": (60, "seconds"),
    "minute": (60, "seconds"),
    "h": (3600, "seconds"),
    "hour": (3600, "seconds"),
    "token": (1, "tokens"),
    "epoch": (1, "epochs"),
    "step": (1, "steps"),
    "flop": (1, "operations"),
    "operation": (1, "operations"),
}
_SCALES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15}
_FORM = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([kKMGBTP]?)\s*([a-z]+)\s*")
EXPECTED = "a budget such as 5min, 90s, 2M tokens, 3 epochs, 400 steps or 5T flops"


@dataclass(frozen=True)
class Budget:
    """An amount of training; times are in seconds."""

    amount: float
    unit: Unit

    def __str__(self) -> str:
        return f"{repr(self.amount).removesuffix('.0')} {self.unit}"

    def scaled(self, factor: float) -> Budget:
        """Return the budget with its time multiplied by `factor`; budgets in other units are unchanged."""
        return Budget(self.amount * factor, self.unit) if self.unit == "seconds" else self

    def steps(
        self,
        units_per_epoch: int,
        units_per_step: int,
        tokens_per_unit: float,
        seconds_per_step: float = 0.0,
        operations_per_step: float = 0.0,
    ) -> int:
        """Return the number of steps, at least 1. Budgets in seconds or operations require the cost of a step."""
        steps = {
            "steps": self.amount,
            "tokens": self.amount / (units_per_step * tokens_per_unit),
            "epochs": self.amount * units_per_epoch / units_per_step,
            "seconds": self.amount / seconds_per_step if self.unit == "seconds" else 0.0,
            "operations": self.amount / operations_per_step if self.unit == "operations" else 0.0,
        }[self.unit]
        return max(1, math.ceil(steps - 1e-9))


def parse_budget(value: Any) -> Budget:
    """Parse `"5min"`, `"2M tokens"`, `"3 epochs"` or `"400 steps"`.

    Raises:
        ValueError: if `value` is not a budget, with examples of budgets.
    """
    if isinstance(value, Budget):
        return value
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    word = match and match[3] if match and match[3] in _WORDS else match and match[3].removesuffix("s")
    if not match or word not in _WORDS:
        raise ValueError(f"{value!r} is not {EXPECTED}")
    factor, unit = _WORDS[word]
    amount = float(match[1]) * _SCALES[match[2]] * factor
    if not 0 < amount < math.inf:
        raise ValueError(f"{value!r} must be above 0 and finite")
    return Budget(amount, unit)


BudgetField = Annotated[
    Budget,
    PlainValidator(parse_budget),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": f"^{_FORM.pattern}$", "examples": ["5min", "2M tokens", "3 epochs"]}),
]
"""The type of a recipe field that holds a budget."""
