"""What a filter is: settings that make a function from a text to a text, or to the reason why it is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from danlu.settings import Settings
from danlu.text.documents import Rejected

Clean = Callable[[str], str | Rejected]


class Filter(Settings):
    """Register a subclass with `name: Literal["..."] = "..."`. `libraries` are the distributions its result depends on:
    their versions are part of the identity of a corpus."""

    libraries: ClassVar[tuple[str, ...]] = ()

    def build(self) -> Clean:
        """The function; it loads its library once, and WrongInput names the extra that lacks. The `name` of a Rejected
        is filled in by the caller, who knows the document."""
        raise NotImplementedError
