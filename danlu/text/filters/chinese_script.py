"""Traditional characters to simplified ones, or the other way, by OpenCC."""

from __future__ import annotations

from typing import ClassVar, Literal

from danlu.extras import need
from danlu.registry import filters
from danlu.text.filters.filter import Clean, Filter


@filters.register
class Simplified(Filter):
    """Traditional characters become simplified ones; words stay as they are (軟體 becomes 软体, not 软件)."""

    name: Literal["simplified"] = "simplified"
    libraries: ClassVar[tuple[str, ...]] = ("opencc",)

    def build(self) -> Clean:
        return need("opencc", "zh", "the filter simplified").OpenCC("t2s").convert


@filters.register
class Traditional(Filter):
    """Simplified characters become traditional ones. phrases: also the words that Taiwan uses (软件 becomes 軟體)."""

    name: Literal["traditional"] = "traditional"
    libraries: ClassVar[tuple[str, ...]] = ("opencc",)
    phrases: bool = False

    def build(self) -> Clean:
        return need("opencc", "zh", "the filter traditional").OpenCC("s2twp" if self.phrases else "s2t").convert
