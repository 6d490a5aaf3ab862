"""Documents that are too short or too long are left out."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter


@filters.register
class Length(Filter):
    """Texts of fewer than `min` or more than `max` characters are left out; white space at the ends does not count."""

    name: Literal["length"] = "length"
    min: PositiveInt = 1
    max: PositiveInt | None = None

    def build(self) -> Clean:
        def clean(text: str) -> str | Rejected:
            length = len(text.strip())
            if length < self.min:
                return Rejected(f"length: fewer than {self.min} characters", "", f"{length}")
            if self.max is not None and length > self.max:
                return Rejected(f"length: more than {self.max} characters", "", f"{length}")
            return text

        return clean
