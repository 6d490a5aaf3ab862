"""Text autoencoders that reconstruct a bag of words (Hinton and Salakhutdinov 2006) or a mean vector from a code.

The mean of word vectors as the representation of a text follows Iyyer et al. (2015).

Shapes: n tokens of a text, N texts of a stream.
"""

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

JUDGED_TEXTS = 1024
"""Minimum number of texts on which a model is evaluated; fewer if the split has fewer."""

NUM_SAMPLES = 5


class Target(Protocol):
    """What is predicted from a code."""

    name: str
    """Name of the label and of the loss term."""

    spec: StreamSpec
    """The stream of texts with its labels."""

    def make_labels(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        """Return the arguments `labels` or `sequence_labels` of `Seq` for a text [n]."""
        ...

    def outputs(self, vocabulary_size: int) -> int:
        """Return the number of values that are predicted from a code."""
        ...

    def loss(self, predicted: Tensor, text: Stream) -> Tensor:
        """Return the loss of predictions [N, outputs], summed over the targets of a stream."""
        ...

    def expected(self, predicted: Tensor, text: Stream) -> Tensor:
        """Return the targets [N, outputs]; NaN or all 0 for a text without targets."""
        ...

    def judge(self, predicted: Tensor, expected: Tensor, source: UnitSource) -> dict[str, Any]:
        """Return figures and samples from predictions [N, outputs] and targets [N, outputs]."""
        ...


class Bag:
    """The set of tokens in a text: binary cross-entropy over the vocabulary.

    The targets of a text are its distinct tokens, so that the loss is in nats per distinct token.
    """

    name = "bag"
    spec = StreamSpec(labels={"bag": np.int64})

    def make_labels(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        first = np.zeros(len(ids), bool)
        first[np.unique(ids, return_index=True)[1]] = True
        return {"labels": {"bag": np.where(first & vocabulary.ordinary(ids), ids, -1)}}

    def outputs(self, vocabulary_size: int) -> int:
        return vocabulary_size

    def expected(self, predicted: Tensor, text: Stream) -> Tensor:
        """Return [N, vocabulary]: 1 if a token occurs in a text, otherwise 0."""
        at = text.labels["bag"] >= 0
        return torch.zeros_like(predicted).index_put(
            (text.sequence[at], text.labels["bag"][at]), predicted.new_ones(())
        )

    def loss(self, predicted: Tensor, text: Stream) -> Tensor:
        present = self.expected(predicted, text)
        nonempty = present.any(1)
        return F.binary_cross_entropy_with_logits(predicted[nonempty], present[nonempty], reduction="sum")

    def judge(self, predicted: Tensor, expected: Tensor, source: UnitSource) -> dict[str, Any]:
        """Measure the recall of a text's k distinct tokens among its k highest scores.

        The baseline scores tokens by their frequency in the evaluated texts.
        """
        frequency = expected.sum(0, keepdim=True).expand_as(expected)
        samples = []
        for scores, present in zip(predicted[:NUM_SAMPLES], expected[:NUM_SAMPLES], strict=True):
            best = scores.topk(int(present.sum())).indices.tolist()
            bags = [word_list(ids, source) for ids in (present.nonzero()[:, 0].tolist(), best)]
            samples.append({"given": bags[0], "made": bags[1]})
        return {
            "figures": {
                "words_found": top_k_recall(predicted, expected),
                "usual_words_found": top_k_recall(frequency, expected),
            },
            "samples": samples,
        }


def word_list(ids: list[int], source: UnitSource) -> str:
    """Return tokens as words in alphabetical order, separated by spaces."""
    return " ".join(sorted(source.decode([i]).strip() for i in ids))


def top_k_recall(scores: Tensor, present: Tensor) -> float:
    """Return the share of a text's k distinct tokens that are among its k highest scores, over all texts.

    Args:
        scores: [N, vocabulary].
        present: 1 if a token occurs in a text, otherwise 0, [N, vocabulary].
    """
    rank = torch.sort(scores, dim=1, descending=True, stable=True).indices.argsort(1)
    return float((present * (rank < present.sum(1, keepdim=True))).sum() / present.sum())


@lru_cache(maxsize=4)
def random_vectors(entries: int, size: int) -> np.ndarray:
    """Return a standard normal vector for each token, [entries, size], equal in all runs."""
    return np.random.default_rng(entries).standard_normal((entries, size), np.float32)


class Average:
    """The mean of fixed random vectors of a text's tokens, times the square root of their number: squared error.

    The factor makes the variance independent of the length of the text. The random projection nearly preserves inner
    products of bags of words (Johnson and Lindenstrauss 1984). The vectors are not trained, since training could reduce
    the loss to zero by making all vectors equal.
    """

    name = "average"

    def __init__(self, size: int):
        self.size = size
        self.spec = StreamSpec(sequence_labels={"average": (np.float32, (size,))})

    def make_labels(self, ids: np.ndarray, vocabulary: Vocabulary) -> dict[str, Any]:
        words = random_vectors(vocabulary.size, self.size)[ids[vocabulary.ordinary(ids)]]
        return {"sequence_labels": {"average": words.sum(0) / len(words) ** 0.5} if len(words) else {}}

    def outputs(self, vocabulary_size: int) -> int:
        return self.size

    def expected(self, predicted: Tensor, text: Stream) -> Tensor:
        return text.sequence_labels["average"].to(predicted.dtype)

    def loss(self, predicted: Tensor, text: Stream) -> Tensor:
        expected = self.expected(predicted, text)
        at = has_target(expected)
        return (predicted[at] - expected[at]).square().sum()

    def judge(self, predicted: Tensor, expected: Tensor, source: UnitSource) -> dict[str, Any]:
        """Measure the explained share of the variance of the targets; predicting their mean explains 0."""
        rows = has_target(expected).all(1)
        predicted, expected = predicted[rows], expected[rows]
        residual, total = (predicted - expected).square().sum(), (expected - expected.mean(0)).square().sum()
        return {"figures": {"variance_told": float(1 - residual / total)}}


@objectives.register
class Autoencoder(Objective):
    """Compress the mean hidden state of a text to a code and predict the text from it."""

    name: Literal["autoencoder"] = "autoencoder"
    of: Literal["bag", "average"] = Field(
        default="bag",
        description=("`bag`: which tokens the text has; `average`: the mean of a fixed random vector per token."),
    )
    code: PositiveInt = Field(default=32, description="Size of the code.")
    hidden: PositiveInt = Field(default=256, description="Width of the layer between the code and the output.")
    size: PositiveInt = Field(default=128, description="Size of the random vectors of `average`.")
    drop: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description=(
            "Share of the tokens that are hidden from the encoder (a denoising autoencoder, Vincent et al. 2008)."
        ),
    )

    variants: ClassVar[tuple[Mapping[str, Any], ...]] = ({"of": "bag"}, {"of": "average"})
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING

    @cached_property
    def target(self) -> Target:
        return {"bag": Bag, "average": lambda: Average(self.size)}[self.of]()

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {"text": self.target.spec}

    @property
    def terms(self) -> tuple[str, ...]:
        return (self.target.name,)

    def example(self, sample: Sample) -> Example:
        return {"text": [self.sequence(piece, sample.rng, sample.vocabulary) for piece in sample.pieces()]}

    def sequence(self, piece: np.ndarray, rng: np.random.Generator, vocabulary: Vocabulary) -> Seq:
        """Return a piece as a sequence; mask tokens replace dropped tokens, so that labels keep their positions."""
        kept = rng.random(len(piece)) >= self.drop
        tokens = np.where(kept, piece, vocabulary.require_mask()) if self.drop else piece
        return Seq({"token": tokens}, full_order(len(piece)), **self.target.make_labels(piece, vocabulary))

    def build_head(self, shape: ModelShape) -> nn.Module:
        outputs = self.target.outputs(shape.vocabulary_size)
        return nn.ModuleDict(
            {
                "encode": nn.Linear(shape.width, self.code),
                "decode": nn.Sequential(nn.Linear(self.code, self.hidden), nn.GELU(), nn.Linear(self.hidden, outputs)),
            }
        )

    def predict(self, model: ModelAPI, head: Any, text: Stream) -> Tensor:
        """Return the predictions for all texts, [N, outputs]."""
        return head["decode"](head["encode"](text.mean(model.hidden(text))))

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        predicted = self.predict(model, head, batch["text"])
        predicted32 = predicted.to(torch.promote_types(predicted.dtype, torch.float32))
        return {self.target.name: self.target.loss(predicted32, batch["text"])}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Evaluate the predictions for the first texts, at least `JUDGED_TEXTS` of them."""
        predicted, expected, count = [], [], 0
        for batch in batches:
            if count < JUDGED_TEXTS and len(batch["text"]):
                predicted.append(self.predict(model, head, batch["text"]).float())
                expected.append(self.target.expected(predicted[-1], batch["text"]))
                count += len(predicted[-1])
        return self.target.judge(torch.cat(predicted), torch.cat(expected), source) if count > 1 else {}
