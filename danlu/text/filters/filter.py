"""The base class of the filters that `clean` in a recipe names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from danlu.registry import filters
from danlu.settings import Settings
from danlu.text.documents import Rejected

Clean = Callable[[str], str | Rejected]


class Filter(Settings, ABC):
    """Settings of a filter, which rewrites or rejects documents.

    Register a subclass with a field `name: Literal["..."] = "..."`.
    """

    if TYPE_CHECKING:
        name: str

    libraries: ClassVar[tuple[str, ...]] = ()
    """Python packages that affect the result; their versions are part of the identity of a corpus."""

    @abstractmethod
    def build(self) -> Clean:
        """Return the function that filters a text: it returns the new text, or a `Rejected` with the reason.

        Load libraries here, once; raise WrongInput if an extra is missing. The caller fills in the `name` of a
        `Rejected`.
        """


filters.base = Filter
