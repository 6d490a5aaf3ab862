"""Base classes of the models: `Architecture` (settings), `Backbone` and `Decoder` (modules).

Shapes: T positions of a stream, S positions of a memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isabstract
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from danlu.batch import Memory, Stream
from danlu.registry import architectures
from danlu.settings import Settings


class Backbone(nn.Module, ABC):
    """Computes the hidden states of a stream, [T, embedding width] -> [T, width]."""

    width: int
    """Width of the hidden states."""

    offers: frozenset[str]
    """The attention orders it supports, of {"causal", "full", "pointwise", "any"}."""

    def stack(self) -> Sequence[nn.Module]:
        """Return its blocks from the input up; empty if it is no stack of blocks."""
        return ()

    @abstractmethod
    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Return the hidden states [T, width]."""

    @abstractmethod
    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
        """Continue causally: return the hidden states of the new positions only, and the extended state.

        Must equal a full forward pass over old and new positions. `state` is None before the first call.
        """


class Decoder(nn.Module, ABC):
    """A backbone that also attends to a memory, [T, embedding width] -> [T, width]."""

    width: int
    offers: frozenset[str]

    def stack(self) -> Sequence[nn.Module]:
        """Return its blocks from the input up; empty if it is no stack of blocks."""
        return ()

    @abstractmethod
    def forward(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """Return the hidden states [T, width]; sequence k attends to sequence k of the memory."""

    @abstractmethod
    def extend(self, x: Tensor, stream: Stream, state: Any, memory: Memory) -> tuple[Tensor, Any]:
        """Continue causally, as `Backbone.extend` does."""


@dataclass(frozen=True)
class HeadStyle:
    """How the embeddings and heads around a backbone are built, so that they match its layers."""

    bias: bool = False  # linear layers of a head have a bias
    norm_bias: bool = False  # norms of a head have a bias
    epsilon: float = 1e-6  # of the norms of a head
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu  # of a head's hidden layer
    output_bias: bool = False  # one bias per vocabulary entry is added to the logits
    scaled_head: bool = False  # hidden states are divided by sqrt(width) before the logits
    scaled_embeddings: bool = False  # token embeddings are multiplied by sqrt(width)
    shared_embeddings: bool = True  # a decoder uses the token embeddings of the backbone


class Architecture(Settings, ABC):
    """The settings of a model; `build` creates its backbone."""

    if TYPE_CHECKING:  # every concrete class declares these as fields, with defaults, in the order of its own settings
        name: str
        width: int
        context: int
        tied: bool

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)
    """Settings that change which attention orders the backbone offers, one mapping for each variant."""

    exempt: ClassVar[Mapping[str, str]] = {}
    """Conformance tests that cannot apply by design: {test: reason}."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        missing = {"name", "width", "context", "tied"} - cls.model_fields.keys()
        if missing and not isabstract(cls):
            raise TypeError(f"{cls.__name__} lacks the setting {', '.join(sorted(missing))}")
        cls._inherit_descriptions()

    @classmethod
    def _inherit_descriptions(cls) -> None:
        """Give a setting that a subclass redeclares, with another default, the description it has in the base class."""
        inherited = {
            name: base.model_fields[name].description
            for base in reversed(cls.__mro__[1:])
            if issubclass(base, Settings)
            for name in base.model_fields
        }
        bare = [name for name, field in cls.model_fields.items() if field.description is None and inherited.get(name)]
        for name in bare:
            cls.model_fields[name].description = inherited[name]
        if bare:
            cls.model_rebuild(force=True)

    @abstractmethod
    def build(self) -> Backbone:
        """Create the backbone."""

    def build_decoder(self) -> Decoder | None:
        """Create the decoder; None for an architecture without one."""
        return None

    def embedding_tables(self) -> dict[str, nn.Embedding]:
        """Create the embeddings that are added to those of the tokens, by input name."""
        return {}

    def decoder_embedding_tables(self) -> dict[str, nn.Embedding]:
        """Create the embeddings that a decoder uses instead of the backbone's, by input name."""
        return {}

    @property
    def embedding_dim(self) -> int:
        """Width of the embeddings; that of the hidden states unless the backbone projects them."""
        return self.width

    @property
    def head_style(self) -> HeadStyle:
        """How embeddings and heads match the layers of the backbone."""
        return HeadStyle()


architectures.base = Architecture
