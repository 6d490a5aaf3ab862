"""What a text is about through a bottleneck: its bag of words, or the average of its words' vectors (Hinton and
Salakhutdinov 2006; Iyyer et al. 2015 for the average)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order, has_target
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary

JUDGED = 1024
"""Texts that are compared to judge a model."""

SHOWN = 5


class Target(Protocol):
    """What comes out at the other end: its name is that of its label or mark and of its term."""

    name: str
    fields: StreamSpec

    def given(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        """`labels` or `sequence_labels` of a text [n]."""
        ...

    def outputs(self, vocabulary_size: int) -> int:
        """How many numbers are made of a code."""
        ...

    def loss(self, made: Tensor, text: Stream) -> Tensor:
        """The sum over the targets of a stream; made [N, outputs]."""
        ...

    def wanted(self, made: Tensor, text: Stream) -> Tensor:
        """[N, outputs]: what the outputs of each text are compared with; NaN or 0 throughout where it has no target."""
        ...

    def judge(self, made: Tensor, wanted: Tensor, source: UnitSource) -> dict[str, Any]: ...


class Bag:
    """Which tokens are in the text, each yes or no: binary cross-entropy over the vocabulary. It is counted by the
    different tokens of a text, so that the term is in nats for each token that is there."""

    name = "bag"
    fields = StreamSpec(labels={"bag": np.int64})

    def given(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        first = np.zeros(len(ids), bool)
        first[np.unique(ids, return_index=True)[1]] = True
        return {"labels": {"bag": np.where(first & vocabulary.ordinary(ids), ids, -1)}}

    def outputs(self, vocabulary_size: int) -> int:
        return vocabulary_size

    def wanted(self, made: Tensor, text: Stream) -> Tensor:
        """[N, vocabulary]: 1 where a token is in a text, else 0."""
        at = text.labels["bag"] >= 0
        return torch.zeros_like(made).index_put((text.sequence[at], text.labels["bag"][at]), made.new_ones(()))

    def loss(self, made: Tensor, text: Stream) -> Tensor:
        there = self.wanted(made, text)
        told = there.any(1)
        return F.binary_cross_entropy_with_logits(made[told], there[told], reduction="sum")

    def judge(self, made: Tensor, wanted: Tensor, source: UnitSource) -> dict[str, Any]:
        """As many tokens as a text has are picked by their scores: the share that is in the text, beside that of the
        tokens that most of these very texts have, which no model has been told."""
        usual = wanted.sum(0, keepdim=True).expand_as(wanted)
        samples = []
        for scores, real in zip(made[:SHOWN], wanted[:SHOWN], strict=True):
            best = scores.topk(int(real.sum())).indices.tolist()
            bags = [words(ids, source) for ids in (real.nonzero()[:, 0].tolist(), best)]
            samples.append({"given": bags[0], "made": bags[1]})
        return {
            "figures": {"words_found": picked(made, wanted), "usual_words_found": picked(usual, wanted)},
            "samples": samples,
        }


def words(ids: list[int], source: UnitSource) -> str:
    """Tokens each on its own, in alphabetical order."""
    return " ".join(sorted(source.decode([i]).strip() for i in ids))


def picked(scores: Tensor, there: Tensor) -> float:
    """The share of a text's k tokens that are among the k of the highest scores [N, vocabulary], all texts together."""
    rank = torch.sort(scores, dim=1, descending=True, stable=True).indices.argsort(1)
    return float((there * (rank < there.sum(1, keepdim=True))).sum() / there.sum())


@lru_cache(maxsize=4)
def fixed_vectors(entries: int, size: int) -> np.ndarray:
    """[entries, size]: a vector for each token that nothing learns, standard normal, the same in every run."""
    return np.random.default_rng(entries).standard_normal((entries, size), np.float32)


class Average:
    """The mean of fixed random vectors of the text's tokens, times the root of their number so that long texts do not
    average to nothing: mean squared error. Nearly all inner products of bags are kept by it (Johnson and Lindenstrauss
    1984). The vectors are fixed because learnt ones would make the loss small by becoming all alike."""

    name = "average"

    def __init__(self, size: int):
        self.size = size
        self.fields = StreamSpec(sequence_labels={"average": (np.float32, (size,))})

    def given(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        words = fixed_vectors(vocabulary.size, self.size)[ids[vocabulary.ordinary(ids)]]
        return {"sequence_labels": {"average": words.sum(0) / len(words) ** 0.5} if len(words) else {}}

    def outputs(self, vocabulary_size: int) -> int:
        return self.size

    def wanted(self, made: Tensor, text: Stream) -> Tensor:
        return text.sequence_labels["average"].to(made.dtype)

    def loss(self, made: Tensor, text: Stream) -> Tensor:
        wanted = self.wanted(made, text)
        at = has_target(wanted)
        return (made[at] - wanted[at]).square().sum()

    def judge(self, made: Tensor, wanted: Tensor, source: UnitSource) -> dict[str, Any]:
        """The share of the variance of the averages that is told; 0 is what their mean tells."""
        rows = has_target(wanted).all(1)
        made, wanted = made[rows], wanted[rows]
        left, all_of_it = (made - wanted).square().sum(), (wanted - wanted.mean(0)).square().sum()
        return {"figures": {"variance_told": float(1 - left / all_of_it)}}


@objectives.register
class Autoencoder(Objective):
    """A text is read by the architecture, averaged, squeezed into `code` numbers, and what comes out at the other end
    is compared with the text.

    of: `bag`, which tokens it has, or `average`, the mean of a fixed random vector of `size` numbers for each token.
    drop: the share of the tokens that is not shown (a denoising autoencoder, Vincent et al. 2008). hidden: the width of
    the layer between code and output.
    """

    name: Literal["autoencoder"] = "autoencoder"
    of: Literal["bag", "average"] = "bag"
    code: PositiveInt = 32
    hidden: PositiveInt = 256
    size: PositiveInt = 128
    drop: float = Field(default=0.0, ge=0, lt=1)

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"of": "bag"}, {"of": "average"})
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @cached_property
    def target(self) -> Target:
        return {"bag": Bag, "average": lambda: Average(self.size)}[self.of]()

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {"text": self.target.fields}

    @property
    def terms(self) -> tuple[str, ...]:
        return (self.target.name,)

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(piece, sample.rng, sample.vocabulary) for piece in sample.pieces()]}

    def sequence(self, piece: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary) -> Seq:
        """Dropped tokens are shown as the mask, so that labels stay beside their positions."""
        stays = rng.random(len(piece)) >= self.drop
        shown = np.where(stays, piece, vocabulary.require_mask()) if self.drop else piece
        return Seq({"token": shown}, full_order(len(piece)), **self.target.given(piece, vocabulary))

    def build_head(self, shape: ModelShape) -> nn.Module:
        outputs = self.target.outputs(shape.vocabulary_size)
        return nn.ModuleDict(
            {
                "encode": nn.Linear(shape.width, self.code),
                "decode": nn.Sequential(nn.Linear(self.code, self.hidden), nn.GELU(), nn.Linear(self.hidden, outputs)),
            }
        )

    def made(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """[N, outputs]: what is made of each text."""
        return head["decode"](head["encode"](text.mean(model.hidden(text))))

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        made = self.made(model, head, batch["text"])
        wide = made.to(torch.promote_types(made.dtype, torch.float32))
        return {self.target.name: self.target.loss(wide, batch["text"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """What of the first texts comes out at the other end."""
        made, wanted, count = [], [], 0
        for batch in batches:
            if count < JUDGED and len(batch["text"]):
                made.append(self.made(model, head, batch["text"]).float())
                wanted.append(self.target.wanted(made[-1], batch["text"]))
                count += len(made[-1])
        return self.target.judge(torch.cat(made), torch.cat(wanted), source) if count > 1 else {}
