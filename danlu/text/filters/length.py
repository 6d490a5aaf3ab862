"""A filter that rejects documents that are too short or too long."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter


@filters.register
class Length(Filter):
    """Reject texts by their number of characters, not counting white space at the ends."""

    name: Literal["length"] = "length"
    min: PositiveInt = Field(1, description="Minimum number of characters.")
    max: PositiveInt | None = Field(None, description="Maximum number of characters; null is no limit.")

    def build(self) -> Clean:
        def clean(text: str) -> str | Rejected:
            length = len(text.strip())
            if length < self.min:
                return Rejected(f"length: fewer than {self.min} characters", "", f"{length}")
            if self.max is not None and length > self.max:
                return Rejected(f"length: more than {self.max} characters", "", f"{length}")
            return text

        return clean
