"""Interfaces that objectives are given: samples of the data, sources of their own units, and the model.

Shapes: T positions of a stream, k selected positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor, nn

from danlu.architecture import Backbone
from danlu.batch import Memory, Stream
from danlu.tokens.shards import TokenStore
from danlu.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from danlu.objective import Objective


class Sample(ABC):
    """Sample n of the data, one unit with its random generator: a pure function of (seed, n)."""

    rng: np.random.Generator
    progress: float
    """Fraction of training that is done, in [0, 1], for schedules."""
    vocabulary: Vocabulary

    @abstractmethod
    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        """Return the token ids of the unit, one array for each document in it.

        Each array includes up to `overlap` further tokens of its document. With overlap 1, the next token of every
        position is available as a label, also at the end of a window.
        """

    @abstractmethod
    def boundaries(self, overlap: int = 0) -> list[np.ndarray]:
        """Return uint8 flags of word and sentence starts for the tokens of `pieces` (`danlu.tokens.bounds`).

        Available to objectives that request them (`Objective.boundaries`).
        """

    @abstractmethod
    def another(self) -> Sample:
        """Return a further unit that shares no document with this one or earlier ones, with the same `rng`.

        Raises:
            WrongInput: if the split has no such unit.
        """

    @abstractmethod
    def row(self) -> Any:
        """Return the unit as a row of a table, for tasks and objectives with their own `units`."""


@dataclass(frozen=True)
class Units:
    """Rows that an objective is trained on instead of windows of the text."""

    rows: Sequence[Any]
    tokens_per_unit: float  # mean number of positions that the model processes per row


class UnitSource(ABC):
    """Data from which an objective can build its own units."""

    vocabulary: Vocabulary
    folder: Path
    """Cache directory for expensive results."""

    @abstractmethod
    def store(self, split: str) -> TokenStore:
        """Return the tokens of a split."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Return the token ids of each text, without special tokens."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids."""

    @abstractmethod
    def model(self, name: str) -> ModelAPI:
        """Return an earlier, trained model of the same run in evaluation mode.

        Raises:
            WrongInput: if there is no such model.
        """


@dataclass(frozen=True)
class ModelShape:
    """Properties of the model that an objective can use in `build_head`."""

    width: int  # of the hidden states
    vocabulary_size: int
    embedding_width: int | None = None  # None: the same as the hidden states
    bias: bool = False  # whether the model's linear layers have a bias
    norm_bias: bool = False  # whether its norms have one
    epsilon: float = 1e-6  # of its norms
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu  # of its feed-forward layers
    backbone: Callable[..., Backbone] | None = None  # builds another backbone, with the given settings changed
    smaller: Callable[[float, float], Backbone] | None = None  # builds one with these fractions of width and layers

    @property
    def logit_dim(self) -> int:
        """Width of the vectors that are multiplied by the output embeddings to get the logits."""
        return self.embedding_width or self.width


class LogitsFrom(Enum):
    """The vectors from which token logits are computed."""

    HIDDEN_STATES = "model"  # hidden states [T, width]
    OWN_HEAD = "own"  # the output of the objective's own head [T, embedding width]
    NOTHING = "none"  # it predicts no tokens


class ModelAPI(ABC):
    """The operations of the model that an objective can use in `losses` and `judge`."""

    width: int
    """Width of the hidden states."""

    context: int
    """Maximum length of a sequence, in positions."""
    objective: Objective

    @abstractmethod
    def hidden(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the hidden states [T, width]; `replaced` overrides inputs of the stream by name."""

    @abstractmethod
    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor:
        """Return the summed embeddings [T, embedding width] of a stream."""

    @abstractmethod
    def decode(self, stream: Stream, memory: Memory, **replaced: Tensor) -> Tensor:
        """Return the decoder's hidden states [T, width]."""

    @abstractmethod
    def token_loss(self, hidden: Tensor, labels: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the cross-entropy over the vocabulary in nats, summed over positions with labels [T] >= 0."""

    @abstractmethod
    def token_logits(self, hidden: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the logits [T, vocabulary] of hidden states, or of the output of the objective's head."""

    @abstractmethod
    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the summed cross-entropy in nats of logits [k, classes] and labels [k]."""
