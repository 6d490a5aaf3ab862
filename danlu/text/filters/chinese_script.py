"""Filters that convert between traditional and simplified Chinese characters, with OpenCC."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from danlu.extras import import_optional
from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter


@filters.register
class Simplified(Filter):
    """Convert traditional to simplified characters. Words are not replaced: 軟體 becomes 软体, not 软件."""

    name: Literal["simplified"] = "simplified"
    libraries: ClassVar[tuple[str, ...]] = ("opencc",)

    def build(self) -> Clean:
        return import_optional("opencc", "zh", "the filter simplified").OpenCC("t2s").convert


@filters.register
class Traditional(Filter):
    """Convert simplified to traditional characters."""

    name: Literal["traditional"] = "traditional"
    libraries: ClassVar[tuple[str, ...]] = ("opencc",)
    phrases: bool = Field(False, description="Whether to use Taiwanese words as well: 软件 becomes 軟體, not 軟件.")

    def build(self) -> Clean:
        return (
            import_optional("opencc", "zh", "the filter traditional").OpenCC("s2twp" if self.phrases else "s2t").convert
        )
