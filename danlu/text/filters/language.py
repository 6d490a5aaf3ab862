"""Only documents of some languages are kept."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter
from danlu.text.languages import LIBRARY, language_counter


@filters.register
class Language(Filter):
    """Texts in other languages are left out. keep: ISO codes; share: the least share of a document's letters that must
    be in them, together."""

    name: Literal["language"] = "language"
    libraries: ClassVar[tuple[str, ...]] = (LIBRARY,)
    keep: list[str] = Field(default=["en", "zh"], min_length=1)
    share: float = Field(0.5, gt=0, le=1)

    def build(self) -> Clean:
        count = language_counter()

        def clean(text: str) -> str | Rejected:
            letters = count(text)
            if not letters:
                return Rejected("language: no letters", "")
            kept = sum(letters[code] for code in self.keep) / letters.total()
            if kept < self.share:
                most, n = letters.most_common(1)[0]
                return Rejected(f"language: not {' or '.join(self.keep)}", "", f"{n / letters.total():.0%} {most}")
            return text

        return clean
