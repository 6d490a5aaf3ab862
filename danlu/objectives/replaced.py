"""Replaced token detection: detect tokens that a smaller model has replaced (ELECTRA, Clark et al. 2020).

Shapes: T positions of a stream, k hidden positions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order
from danlu.hf_heads import DISCRIMINATOR, Head
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, SubModel, UnitSource
from danlu.objectives.masked import Masked, MaskedHead
from danlu.objectives.masked_tokens.masking import LONGEST_SPAN, hide_units
from danlu.objectives.sentences.detection import DetectionCounts, render_blanks, render_marks
from danlu.registry import objectives
from danlu.settings import Settings

NUM_SAMPLES = 5


class GeneratorSize(Settings):
    """Size of the generator as fractions of the model."""

    width: float = Field(
        default=0.25, gt=0, le=1, description="Fraction of the model's width, attention heads and feed-forward width."
    )
    layers: float = Field(default=1.0, gt=0, le=1, description="Fraction of the model's layers.")


class Generator(nn.Module):
    """A smaller masked language model that shares the embeddings of the model."""

    def __init__(self, shape: ModelShape, size: GeneratorSize):
        super().__init__()
        if shape.smaller is None:
            raise ValueError("replaced needs a model shape that can build a smaller backbone")
        self.backbone = shape.smaller(size.width, size.layers)
        narrow = replace(shape, width=self.backbone.width, embedding_width=shape.logit_dim)
        self.head = MaskedHead(narrow)

    def forward(self, x: Tensor, stream: Stream, at: Tensor) -> Tensor:
        """Return the vectors from which token logits at hidden positions are computed.

        Args:
            x: embeddings [T, embedding width].
            stream: the stream of the embeddings.
            at: whether a position is hidden, booleans [T].

        Returns:
            [k, embedding width].
        """
        return self.head(self.backbone(x, stream)[at])


class Detector(nn.Module):
    """Dense layer, activation and one logit, positive for "replaced": [k, width] -> [k]."""

    def __init__(self, shape: ModelShape):
        super().__init__()
        self.dense = nn.Linear(shape.width, shape.width)
        self.out = nn.Linear(shape.width, 1)
        self.activation = shape.activation
        for layer in (self.dense, self.out):
            nn.init.normal_(layer.weight, std=shape.width**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.out(self.activation(self.dense(hidden))).squeeze(-1)


class ReplacedHead(nn.Module):
    """The detector and, if there is one, the generator."""

    def __init__(self, shape: ModelShape, size: GeneratorSize | None):
        super().__init__()
        self.detector = Detector(shape)
        self.generator = None if size is None else Generator(shape, size)


@torch.no_grad()
def sample_tokens(logits: Tensor, uniform: Tensor) -> Tensor:
    """Sample one token for each row of logits [k, vocabulary] by inverse transform sampling; return ids [k].

    The uniform numbers [k] in [0, 1) are part of the data, so that the samples are reproducible.
    """
    cumulative = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1).cumsum(-1)
    total = cumulative[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))  # a number just below 1 may be rounded to 1
    at = torch.minimum(uniform.to(total.dtype)[:, None] * total, below)
    return torch.searchsorted(cumulative, at, right=True).squeeze(1)


@objectives.register
class Replaced(Objective):
    """Let a small generator fill in hidden tokens, and predict for every ordinary token whether it was replaced.

    A token that the generator restores counts as original. The generator is trained together with the detector (term
    `masked`) and shares the token embeddings.
    """

    name: Literal["replaced"] = "replaced"
    rate: float = Field(default=0.15, gt=0, lt=1, description="Share of ordinary tokens that are hidden.")
    unit: Literal["token", "word", "span"] = Field(
        default="token", description="What is hidden as a whole: a token, a word or a span."
    )
    mean_span: float = Field(
        default=3.0,
        ge=1,
        le=LONGEST_SPAN,
        description="Mean of the geometric distribution of span lengths, truncated at 10 tokens.",
    )
    generator: GeneratorSize | None = Field(
        default=GeneratorSize(),
        description=("Size of the generator; null replaces hidden tokens with random ordinary tokens."),
    )
    replaced_weight: float = Field(
        default=50.0, gt=0, description="Weight of the detector's loss, relative to the generator's."
    )

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    class_labels: ClassVar[frozenset[str]] = frozenset({"replaced"})
    hf_head: ClassVar[Head | None] = DISCRIMINATOR

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        if self.generator is None:
            return {"text": StreamSpec({"token": np.int64, "original": np.int64}, {"replaced": np.int64})}
        inputs = {"token": np.int64, "original": np.int64, "uniform": np.float64}
        return {"text": StreamSpec(inputs, {"masked": np.int64, "replaced": np.int64})}

    @property
    def terms(self) -> tuple[str, ...]:
        return ("replaced",) if self.generator is None else ("masked", "replaced")

    def term_weights(self, progress: float) -> Mapping[str, float]:
        return {"replaced": 1.0} if self.generator is None else {"masked": 1.0, "replaced": self.replaced_weight}

    @property
    def logits_from(self) -> LogitsFrom:
        return LogitsFrom.NOTHING if self.generator is None else LogitsFrom.OWN_HEAD

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"word"} if self.unit == "word" else ())

    def example(self, sample: Sample) -> Example:
        pieces = sample.pieces()
        hidden = [p.hidden for p in hide_units(self.unit, pieces, self.rate, self.mean_span, sample)]
        return {"text": [self.sequence(piece, h, sample) for piece, h in zip(pieces, hidden, strict=True)]}

    def sequence(self, piece: np.ndarray, hidden: np.ndarray, sample: Sample) -> Seq:
        """Return a piece as a sequence.

        The label `replaced` marks the ordinary tokens as targets, so that they are counted before the forward pass.
        With a generator it is 1 for hidden tokens and 0 for others; whether a hidden token is in fact replaced is known
        only after the generator has run.
        """
        ordinary, order = sample.vocabulary.ordinary(piece), full_order(len(piece))
        if self.generator is None:
            shown = np.where(hidden, sample.vocabulary.draw(sample.rng, len(piece)), piece)
            label = np.where(ordinary, shown != piece, -1)
            return Seq({"token": shown, "original": piece}, order, labels={"replaced": label})
        inputs = {
            "token": np.where(hidden, sample.vocabulary.require_mask(), piece),
            "original": piece,
            "uniform": sample.rng.random(len(piece)),
        }
        labels = {"masked": np.where(hidden, piece, -1), "replaced": np.where(ordinary, hidden, -1)}
        return Seq(inputs, order, labels=labels)

    def build_head(self, shape: ModelShape) -> nn.Module:
        return ReplacedHead(shape, self.generator)

    def corrupt(self, model: ModelAPI, head: Any, text: Stream) -> tuple[Tensor, Tensor | None]:
        """Return the detector's input tokens [T] and the generator's logits [k, vocabulary] at hidden positions."""
        if head.generator is None:
            return text.inputs["token"], None
        at = text.labels["masked"] >= 0
        logits = model.token_logits(head.generator(model.embed(text), text, at), LogitsFrom.OWN_HEAD)
        return text.inputs["token"].masked_scatter(at, sample_tokens(logits, text.inputs["uniform"][at])), logits

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        tokens, logits = self.corrupt(model, head, text)
        at = text.labels["replaced"] >= 0
        detected = head.detector(model.hidden(text, token=tokens)[at])
        logits32 = detected.to(torch.promote_types(detected.dtype, torch.float32))
        truth = (tokens != text.inputs["original"])[at].to(logits32.dtype)
        terms = {"replaced": F.binary_cross_entropy_with_logits(logits32, truth, reduction="sum")}
        if logits is not None:
            labels = text.labels["masked"]
            terms["masked"] = model.class_loss(logits, labels[labels >= 0])
        return terms

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure how well replaced tokens are detected.

        The input of a sample has ___ for each hidden token. The output has the generated tokens in brackets and a
        question mark after each token that the detector classifies as replaced.
        """
        counts, samples = DetectionCounts(), []
        for batch in batches:
            text = batch["text"]
            tokens, _ = self.corrupt(model, head, text)
            detected = head.detector(model.hidden(text, token=tokens)) > 0
            ordinary = text.labels["replaced"] >= 0
            different = tokens != text.inputs["original"]
            counts.add(different[ordinary], detected[ordinary])
            if "masked" in text.labels:
                counts.add_generated(different[text.labels["masked"] >= 0])
            if len(samples) < NUM_SAMPLES and len(text):
                columns = (tokens, text.labels["replaced"] == 1, detected & ordinary)
                ids, hidden, flagged = (c[: text.lengths[0]].cpu().numpy() for c in columns)
                given = render_blanks(ids, hidden, source.decode)
                samples.append({"given": given, "made": render_marks(ids, hidden, flagged, source.decode)})
        return {"figures": counts.figures(), "samples": samples}

    def submodels(self) -> Mapping[str, SubModel]:
        """Return the detector (ELECTRA's discriminator) and the generator, which is a masked language model."""
        if self.generator is None:
            return {}
        masked = Masked(rate=self.rate, unit=self.unit, mean_span=self.mean_span, replace=1.0, random=0.0)
        shared = {"embeddings": "embeddings", "unembedding": "unembedding", "output_bias": "output_bias"}
        generator = {"backbone": "head.generator.backbone", "head": "head.generator.head"}
        detector = {"embeddings": "embeddings", "backbone": "backbone", "head.detector": "head.detector"}
        return {
            "": SubModel(self.model_copy(update={"generator": None}), detector),
            "generator": SubModel(masked, shared | generator, (self.generator.width, self.generator.layers)),
        }
