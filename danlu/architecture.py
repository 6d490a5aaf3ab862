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
    """The network between embeddings and heads, [T, embedding width] -> [T, width]."""

    width: int
    """Width of the hidden states."""

    offers: frozenset[str]
    """The supported attention orders, a subset of {"causal", "full", "pointwise", "any"}."""

    def stack(self) -> Sequence[nn.Module]:
        """Return the blocks in the order of the forward pass; empty if the backbone has none."""
        return ()

    @abstractmethod
    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        """Return the hidden states [T, width]."""

    @abstractmethod
    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
        """Return the hidden states [T, width] of new positions and the updated state, for incremental decoding.

        The result must equal a full forward pass over past and new positions. `state` is None in the first call.
        """


class Decoder(nn.Module, ABC):
    """A backbone that also attends to a memory, [T, embedding width] -> [T, width]."""

    width: int
    """Width of the hidden states."""

    offers: frozenset[str]
    """The supported attention orders, as in `Backbone`."""

    def stack(self) -> Sequence[nn.Module]:
        """Return the blocks in the order of the forward pass; empty if the decoder has none."""
        return ()

    @abstractmethod
    def forward(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor:
        """Return the hidden states [T, width]; sequence k attends to sequence k of the memory."""

    @abstractmethod
    def extend(self, x: Tensor, stream: Stream, state: Any, memory: Memory) -> tuple[Tensor, Any]:
        """Return the hidden states [T, width] of new positions and the updated state, as in `Backbone.extend`."""


@dataclass(frozen=True)
class HeadStyle:
    """Settings of embeddings and heads that match the layers of the backbone."""

    bias: bool = False  # whether linear layers of a head have a bias
    norm_bias: bool = False  # whether norms of a head have a bias
    epsilon: float = 1e-6  # epsilon of the norms of a head
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu  # activation function of a head
    output_bias: bool = False  # whether a bias per vocabulary entry is added to the logits
    scaled_head: bool = False  # whether hidden states are divided by sqrt(width) before the logits are computed
    scaled_embeddings: bool = False  # whether token embeddings are multiplied by sqrt(width)
    shared_embeddings: bool = True  # whether a decoder uses the token embeddings of the backbone


class Architecture(Settings, ABC):
    """The settings of a model; `build` creates its backbone."""

    if TYPE_CHECKING:  # concrete classes declare these as fields with defaults, at a place of their choice
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
        """Copy the descriptions of base classes to settings that a subclass redeclares to change their default."""
        inherited = {
            name: base.model_fields[name].description
            for base in reversed(cls.__mro__[1:])
            if issubclass(base, Settings)
            for name in base.model_fields
        }
        undescribed = [n for n, field in cls.model_fields.items() if field.description is None and inherited.get(n)]
        for name in undescribed:
            cls.model_fields[name].description = inherited[name]
        if undescribed:
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
        """Width of the embeddings. It differs from `width` only if the backbone projects the embeddings."""
        return self.width

    @property
    def head_style(self) -> HeadStyle:
        """Settings of embeddings and heads that match the layers of the backbone."""
        return HeadStyle()


architectures.base = Architecture
