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
    """Distributions that the result depends on; their versions are part of the identity of a corpus."""

    @abstractmethod
    def build(self) -> Clean:
        """Return the function from a text to the filtered text, or to the reason why it is rejected.

        Libraries are loaded here, once; WrongInput names a missing extra. The caller fills in the `name` of a
        `Rejected`.
        """


filters.base = Filter
