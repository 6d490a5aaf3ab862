"""A filter that keeps documents in certain languages."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from danlu.registry import filters
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Clean, Filter
from danlu.text.languages import LIBRARY, language_counter


@filters.register
class Language(Filter):
    """Keep texts in certain languages and reject all others."""

    name: Literal["language"] = "language"
    libraries: ClassVar[tuple[str, ...]] = (LIBRARY,)
    keep: list[str] = Field(default=["en", "zh"], min_length=1, description="ISO 639 codes of the languages to keep.")
    share: float = Field(
        0.5, gt=0, le=1, description="Minimum share of the letters of a text that are in those languages, together."
    )

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
