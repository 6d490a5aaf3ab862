"""The waist: what passes between data, objective, architecture and loop, and nothing else.

    unit n --Objective.example--> Example --pack--> Batch --Learner--> {term: sum of losses}

1. A `Stream` is N sequences laid end to end, never padded. Position i sees position j iff both are in the same sequence
   and (key[j] <= query[i] or i == j). key = query = 0, 1, 2, ... is causal; all 0, full; 0 for a prefix and then
   1, 2, ..., prefix; a random rank, permutation; key = HIDDEN, a position that only asks; key = 1 and query = 0,
   pointwise: no position sees another.
2. Labels travel with the stream, per position (`labels`) or per sequence (`marks`); -1 (integers) or NaN (floats) is
   "no target". The number of targets of each term is known before the model runs, so a step divides by the count of the
   whole step, however it is split.
3. An objective declares its streams and terms. A batch holds every declared stream, also when nothing was drawn for it.
4. All randomness of the data is drawn on the data side: example n is a pure function of (seed, n).
5. A fine-tuning task is an objective whose units are rows of a table.

A model has one role or two: the backbone, and beside it a decoder where the objective asks for one. Sequence k of what
a decoder runs on sees, besides its own by rule 1, all of sequence k of the `Memory` it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from danlu.tokens.shards import TokenStore
from danlu.tokens.vocabulary import Vocabulary

HIDDEN = 1 << 30
"""A key that no query reaches: the position asks and is never seen."""

Declared = Any
"""A dtype, or (dtype, trailing shape)."""


@dataclass
class Seq:
    """One sequence of L positions.

    inputs {name: [L, ...]}; key, query [L] (query defaults to key); labels {name: [L, ...]}; marks {name: [...]}.
    """

    inputs: dict[str, np.ndarray]
    key: np.ndarray
    query: np.ndarray | None = None
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    marks: dict[str, Any] = field(default_factory=dict)


Example = dict[str, list[Seq]]
"""Stream name -> its sequences. One example is one group: it is never split over micro-batches."""


@dataclass(frozen=True)
class Fields:
    """What a stream carries: {name: dtype} or {name: (dtype, trailing shape)}."""

    inputs: Mapping[str, Declared] = field(default_factory=lambda: {"token": np.int64})
    labels: Mapping[str, Declared] = field(default_factory=dict)
    marks: Mapping[str, Declared] = field(default_factory=dict)


def sent(value: Tensor, device: torch.device) -> Tensor:
    """The tensor there; to a GPU from pinned memory, so that nobody waits for the copy."""
    if device.type == "cuda" and value.device.type == "cpu":
        return value.pin_memory().to(device, non_blocking=True)
    return value.to(device)


@dataclass
class Stream:
    """N sequences end to end, T positions in all.

    inputs, labels {name: [T, ...]}; marks {name: [N, ...]}; key, query [T]; offsets [N + 1]; group [N], the example of
    each sequence; lengths, the N lengths as Python integers (a backbone never waits for a device to learn them); host,
    the stream as it was packed, kept by `to` and not by `dataclasses.replace`, which may have changed what it says.
    """

    inputs: dict[str, Tensor]
    labels: dict[str, Tensor]
    marks: dict[str, Tensor]
    key: Tensor
    query: Tensor
    offsets: Tensor
    group: Tensor
    lengths: tuple[int, ...]
    host: Stream | None = field(default=None, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def sequence(self) -> Tensor:
        """[T]: which sequence each position is in."""
        numbers = torch.arange(len(self), device=self.key.device)
        return torch.repeat_interleave(numbers, self.offsets.diff(), output_size=sum(self.lengths))

    def mean(self, x: Tensor) -> Tensor:
        """[T, width] -> [N, width]: the mean over each sequence."""
        sums = x.new_zeros(len(self), x.shape[1]).index_add(0, self.sequence, x)
        return sums / self.offsets.diff().to(x.dtype)[:, None]

    def sees(self) -> Tensor:
        """[T, T] booleans: rule 1, the reference that every attention must equal."""
        s, t = self.sequence, torch.arange(len(self.key), device=self.key.device)
        return (s[:, None] == s) & ((self.key <= self.query[:, None]) | (t[:, None] == t))

    def to(self, device: torch.device) -> Stream:
        def moved(table: dict[str, Tensor]) -> dict[str, Tensor]:
            return {k: sent(v, device) for k, v in table.items()}

        there = replace(
            self,
            inputs=moved(self.inputs),
            labels=moved(self.labels),
            marks=moved(self.marks),
            key=sent(self.key, device),
            query=sent(self.query, device),
            offsets=sent(self.offsets, device),
            group=sent(self.group, device),
        )
        there.host = self.host or self
        return there


@dataclass
class Memory:
    """What a decoder may look at: hidden states [S, width] of a stream of as many sequences as its own."""

    hidden: Tensor
    stream: Stream


@dataclass
class Batch:
    """The packed streams of some examples, and the unit number of each example."""

    streams: dict[str, Stream]
    units: tuple[int, ...] = ()

    def __getitem__(self, name: str) -> Stream:
        return self.streams[name]

    def of(self, prefix: str) -> Batch:
        """The part of a mixture's batch that belongs to one of its objectives."""
        start = prefix + "."
        return Batch({k.removeprefix(start): v for k, v in self.streams.items() if k.startswith(start)}, self.units)

    def to(self, device: torch.device) -> Batch:
        return Batch({k: v.to(device) for k, v in self.streams.items()}, self.units)


def causal_order(length: int) -> np.ndarray:
    """[length]: every position sees itself and those before it."""
    return np.arange(length, dtype=np.int64)


def full_order(length: int) -> np.ndarray:
    """[length]: every position sees every other."""
    return np.zeros(length, dtype=np.int64)


def pointwise_order(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Key and query [length]: every position sees itself alone."""
    return np.ones(length, np.int64), np.zeros(length, np.int64)


READ: Mapping[str, Callable[[int], tuple[np.ndarray, np.ndarray | None]]] = {
    "causal": lambda length: (causal_order(length), None),
    "pointwise": pointwise_order,
    "full": lambda length: (full_order(length), None),
}
"""Key and query for a text of so many tokens, by how a model reads."""


def reading(objective: Objective) -> str:
    """How a model of this objective reads a text that it was not trained on: a key of `READ`."""
    needed = objective.needs["backbone"]
    return next((name for name in ("causal", "pointwise") if name in needed), "full")


def present(label: Tensor) -> Tensor:
    """Where there is a target: integers >= 0, floats that are numbers. [...] booleans."""
    return ~label.isnan() if label.is_floating_point() else label >= 0


class Draw(Protocol):
    """What an objective may ask of the data for one unit; all of it is a pure function of (seed, n)."""

    rng: np.random.Generator
    progress: float
    """Share of the run that is done, in [0, 1], for schedules."""
    vocabulary: Vocabulary

    def pieces(self, overlap: int = 0) -> list[np.ndarray]:
        """The unit as token ids, one array for each document it touches, each with up to `overlap` following tokens of
        its own document (1 where the next token is the label, so that no step between two windows is lost)."""
        ...

    def bounds(self, overlap: int = 0) -> list[np.ndarray]:
        """For the tokens that `pieces` gives, uint8 flags of where words and sentences begin (danlu.tokens.bounds);
        only for objectives that ask for them (`bounds_of`)."""
        ...

    def another(self) -> Draw:
        """A further unit that shares no document with this one nor with those asked for before; it draws from the same
        `rng`. WrongInput when the split has no such unit."""
        ...

    def row(self) -> Any:
        """The unit as a row of a table (tasks, and objectives with `units` of their own)."""
        ...


@dataclass(frozen=True)
class Units:
    """Rows instead of windows of the text; tokens_per_unit: positions the model runs on for one, in the mean."""

    rows: Sequence[Any]
    tokens_per_unit: float


class Source(Protocol):
    """What an objective with units of its own may make them of."""

    vocabulary: Vocabulary
    folder: Path
    """A place of this model's own for what takes long to compute; a later call finds there what an earlier one left."""

    def store(self, split: str) -> TokenStore:
        """The tokens of a split."""
        ...

    def encode(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Each as token ids, without beginning and end."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def model(self, name: str) -> Parts:
        """A model of the same run that stands earlier in the recipe, trained, in eval mode; WrongInput for others."""
        ...


@dataclass(frozen=True)
class ModelShape:
    """What an objective may know of the model when it makes parts of its own for it.

    width of the hidden states, entries of the vocabulary, width of the embeddings (None: the same as of the hidden
    states); bias, norm_bias, epsilon, activation: whether the model's linear layers and norms have biases, the epsilon
    of its norms and what bends its feed-forward layers, so that a head is of the same make. backbone(**settings) makes
    a further backbone of the same architecture with some of its settings changed, smaller(width, layers) one with these
    shares of its width and layers, for the same embeddings.
    """

    width: int
    vocabulary_size: int
    embedding_width: int | None = None
    bias: bool = False
    norm_bias: bool = False
    epsilon: float = 1e-6
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu
    backbone: Callable[..., Any] | None = None
    smaller: Callable[[float, float], Any] | None = None

    @property
    def narrow(self) -> int:
        """What the vocabulary is compared with is so wide."""
        return self.embedding_width or self.width


class Parts(Protocol):
    """What an objective may use of the model while it computes its losses."""

    width: int
    context: int
    """Positions that the model has: a longer sequence may lie beyond what it has learnt."""

    def hidden(self, stream: Stream, **replaced: Tensor) -> Tensor: ...
    def embed(self, stream: Stream, **replaced: Tensor) -> Tensor: ...
    def decode(self, stream: Stream, memory: Memory, **replaced: Tensor) -> Tensor: ...
    def token_loss(self, hidden: Tensor, labels: Tensor) -> Tensor: ...
    def token_logits(self, hidden: Tensor) -> Tensor: ...
    def class_loss(self, logits: Tensor, labels: Tensor) -> Tensor: ...


class Backbone(Protocol):
    """An architecture: hidden states [T, width] of a stream, and the cases of rule 1 it can honour."""

    width: int
    offers: frozenset[str]
    """Of {"causal", "full", "pointwise", "any"}; pointwise: a position sees itself alone."""

    def __call__(self, x: Tensor, stream: Stream) -> Tensor:
        """[T, width] -> [T, width]."""
        ...

    def extend(self, x: Tensor, stream: Stream, state: Any) -> tuple[Tensor, Any]:
        """A causal continuation: hidden states of the new positions only, and the state with them added."""
        ...


class Decoder(Protocol):
    """The second role: as a backbone, with a memory to look at."""

    width: int
    offers: frozenset[str]

    def __call__(self, x: Tensor, stream: Stream, memory: Memory) -> Tensor: ...
    def extend(self, x: Tensor, stream: Stream, state: Any, memory: Memory) -> tuple[Tensor, Any]: ...


class Objective(Protocol):
    """What to predict. Settings only; its parameters are made by `parts`."""

    @property
    def fields(self) -> Mapping[str, Fields]: ...
    @property
    def terms(self) -> tuple[str, ...]:
        """Each is also the name of the label or mark that counts it."""
        ...

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        """By role, the cases of rule 1 that a model must honour: {"backbone": {"full"}, "decoder": {"causal"}}; a
        decoder is made only where one is asked for."""
        ...

    @property
    def continues_text(self) -> bool:
        """Whether the trained model can go on from a prompt, left to right."""
        ...

    def example(self, draw: Draw) -> Example: ...
    def parts(self, shape: ModelShape) -> nn.Module: ...
    def losses(self, model: Parts, parts: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Each term's loss, summed over its targets and never averaged."""
        ...


def scope_of(stream: str) -> str:
    """What stands before the name of a label or mark of this stream in `terms`: of a mixture, whose streams are called
    `part.stream`, the part and a dot."""
    return stream.rsplit(".", 1)[0] + "." if "." in stream else ""


def counts(objective: Objective, batch: Batch) -> dict[str, int]:
    """Targets of each term in one micro-batch: every term, also those that are 0 here."""
    total = dict.fromkeys(objective.terms, 0)
    for stream_name, stream in batch.streams.items():
        scope = scope_of(stream_name)
        for name, value in (*stream.labels.items(), *stream.marks.items()):
            if scope + name in total:
                total[scope + name] += int(present(value).sum())
    return total
