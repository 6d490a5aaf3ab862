"""What an objective can use: the samples of the data, sources of its own units, and the model.

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
    """One unit of the data as an objective sees it; everything in it is a pure function of (seed, n)."""

    rng: np.random.Generator
    progress: float
    """Fraction of the run that is done, in [0, 1], for schedules."""
    vocabulary: Vocabulary

    @abstractmethod
    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        """Return the token ids of the unit, one array per document it touches.

        Each array is followed by up to `overlap` further tokens of its document: 1 where the next token is the label,
        so that no transition between two windows is lost.
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
    """Rows that an objective learns from instead of windows of the text."""

    rows: Sequence[Any]
    tokens_per_unit: float  # mean number of positions that the model processes per row


class UnitSource(ABC):
    """What an objective can build its own units from."""

    vocabulary: Vocabulary
    folder: Path
    """A directory for what takes long to compute; it is reused by later calls."""

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
        """Return an earlier model of the same run, trained, in eval mode.

        Raises:
            WrongInput: if there is no such model.
        """


@dataclass(frozen=True)
class ModelShape:
    """What an objective can know of the model when it builds its head."""

    width: int  # of the hidden states
    vocabulary_size: int
    embedding_width: int | None = None  # None: the same as the hidden states
    bias: bool = False  # whether the model's linear layers have a bias
    norm_bias: bool = False  # whether its norms have one
    epsilon: float = 1e-6  # of its norms
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu  # of its feed-forward layers
    backbone: Callable[..., Backbone] | None = None  # build another backbone, with some settings changed
    smaller: Callable[[float, float], Backbone] | None = None  # build one with these fractions of width and layers

    @property
    def logit_dim(self) -> int:
        """Width of the vectors whose products with the token embeddings are the logits."""
        return self.embedding_width or self.width


class LogitsFrom(Enum):
    """What an objective computes token logits from."""

    HIDDEN_STATES = "model"  # hidden states [T, width]
    OWN_HEAD = "own"  # the output of the objective's own head [T, embedding width]
    NOTHING = "none"  # it predicts no tokens


class ModelAPI(ABC):
    """What an objective can use of the model while it computes its losses."""

    width: int
    context: int
    """Longest sequence that the model was built for, in positions."""
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
        """Return the summed cross-entropy in nats at labelled positions, over the vocabulary."""

    @abstractmethod
    def token_logits(self, hidden: Tensor, logits_from: LogitsFrom = LogitsFrom.HIDDEN_STATES) -> Tensor:
        """Return the logits [T, vocabulary] of hidden states, or of the output of the objective's own head."""

    @abstractmethod
    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the summed cross-entropy in nats of logits [k, classes]."""
