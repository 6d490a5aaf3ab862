"""Replaced-token detection: which tokens has another, smaller model put in? (ELECTRA, Clark et al. 2020)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.objectives.detection import Detections, blanked, marked
from danlu.objectives.masked import Masked, MaskedHead
from danlu.objectives.masking import LONGEST_SPAN, by_unit
from danlu.published_heads import DISCRIMINATOR, Head
from danlu.registry import objectives
from danlu.settings import Settings
from danlu.traits import Part
from danlu.waist import Batch, Draw, Example, Fields, ModelShape, Parts, Seq, Source, Stream, full_order

SAMPLES = 5


class GeneratorSize(Settings):
    """Shares of the model's width (heads, feed-forward width) and of its layers."""

    width: float = Field(default=0.25, gt=0, le=1)
    layers: float = Field(default=1.0, gt=0, le=1)


class Generator(nn.Module):
    """A smaller masked language model on the embeddings of the large one. [T, embedding width] -> [T, same]."""

    def __init__(self, shape: ModelShape, size: GeneratorSize):
        super().__init__()
        if shape.smaller is None:
            raise ValueError("the shape of the model does not say how a smaller one is made")
        self.backbone = shape.smaller(size.width, size.layers)
        narrow = replace(shape, width=self.backbone.width, embedding_width=shape.narrow)
        self.head = MaskedHead(narrow)

    def forward(self, x: Tensor, stream: Stream, at: Tensor) -> Tensor:
        """What the vocabulary is compared with at the positions `at`: [k, embedding width]."""
        return self.head(self.backbone(x, stream)[at])


class Detector(nn.Module):
    """Dense, activation and one logit, above 0 for "replaced": [k, width] -> [k]."""

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


class ReplacedParts(nn.Module):
    """The detector, and the generator where there is one."""

    def __init__(self, shape: ModelShape, size: GeneratorSize | None):
        super().__init__()
        self.detector = Detector(shape)
        self.generator = None if size is None else Generator(shape, size)


@torch.no_grad()
def sampled(logits: Tensor, uniform: Tensor) -> Tensor:
    """One token of each row of logits [k, vocabulary], drawn by the inverse of its cumulated probabilities at a number
    in [0, 1) from the data: [k] ids. Sampling has no gradient."""
    cumulated = logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(-1).cumsum(-1)
    whole = cumulated[:, -1:]
    below = torch.nextafter(whole, torch.zeros_like(whole))  # a number just under 1 may be rounded to 1
    at = torch.minimum(uniform.to(whole.dtype)[:, None] * whole, below)
    return torch.searchsorted(cumulated, at, right=True).squeeze(1)


@objectives.register
class Replaced(Settings):
    """Hide a share of the ordinary tokens, let a small generator fill them in, and tell of every ordinary token whether
    it is the original. A token that the generator has guessed right is an original.

    generator: its share of the model's width and layers; it learns to fill in beside (term `masked`) and has the
    model's token embeddings; null: what is hidden becomes a random ordinary token instead. rate, unit, mean_span: what
    is hidden, as for masked. replaced_weight: of the detector's loss beside the generator's.
    """

    name: Literal["replaced"] = "replaced"
    rate: float = Field(default=0.15, gt=0, lt=1)
    unit: Literal["token", "word", "span"] = "token"
    mean_span: float = Field(default=3.0, ge=1, le=LONGEST_SPAN)
    generator: GeneratorSize | None = GeneratorSize()
    replaced_weight: float = Field(default=50.0, gt=0)

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    numbers: ClassVar[frozenset[str]] = frozenset({"replaced"})
    published_head: ClassVar[Head] = DISCRIMINATOR

    @property
    def fields(self) -> Mapping[str, Fields]:
        if self.generator is None:
            return {"text": Fields({"token": np.int64, "original": np.int64}, {"replaced": np.int64})}
        inputs = {"token": np.int64, "original": np.int64, "uniform": np.float64}
        return {"text": Fields(inputs, {"masked": np.int64, "replaced": np.int64})}

    @property
    def terms(self) -> tuple[str, ...]:
        return ("replaced",) if self.generator is None else ("masked", "replaced")

    def weights(self, progress: float) -> Mapping[str, float]:
        return {"replaced": 1.0} if self.generator is None else {"masked": 1.0, "replaced": self.replaced_weight}

    @property
    def token_head(self) -> str:
        return "none" if self.generator is None else "own"

    @property
    def bounds(self) -> frozenset[str]:
        return frozenset({"word"} if self.unit == "word" else ())

    def example(self, draw: Draw) -> Example:
        pieces = draw.pieces()
        hidden = [p.hidden for p in by_unit(self.unit, pieces, self.rate, self.mean_span, draw)]
        return {"text": [self.sequence(piece, h, draw) for piece, h in zip(pieces, hidden, strict=True)]}

    def sequence(self, piece: np.ndarray, hidden: np.ndarray, draw: Draw) -> Seq:
        """The label `replaced` counts the ordinary tokens before the model runs: 1 where one may be replaced (that it
        is not the original is known when the generator has drawn it), 0 where it stays."""
        ordinary, order = draw.vocabulary.ordinary(piece), full_order(len(piece))
        if self.generator is None:
            shown = np.where(hidden, draw.vocabulary.draw(draw.rng, len(piece)), piece)
            label = np.where(ordinary, shown != piece, -1)
            return Seq({"token": shown, "original": piece}, order, labels={"replaced": label})
        inputs = {
            "token": np.where(hidden, draw.vocabulary.require_mask(), piece),
            "original": piece,
            "uniform": draw.rng.random(len(piece)),
        }
        labels = {"masked": np.where(hidden, piece, -1), "replaced": np.where(ordinary, hidden, -1)}
        return Seq(inputs, order, labels=labels)

    def parts(self, shape: ModelShape) -> nn.Module:
        return ReplacedParts(shape, self.generator)

    def corrupted(self, model: Parts, parts: Any, text: Stream) -> tuple[Tensor, Tensor | None]:
        """The tokens [T] that the detector is shown, and the generator's logits [k, vocabulary] at masked positions."""
        if parts.generator is None:
            return text.inputs["token"], None
        at = text.labels["masked"] >= 0
        logits = model.token_logits(parts.generator(model.embed(text), text, at))
        return text.inputs["token"].masked_scatter(at, sampled(logits, text.inputs["uniform"][at])), logits

    def losses(self, model: Parts, parts: Any, batch: Batch) -> dict[str, Tensor]:
        text = batch["text"]
        tokens, logits = self.corrupted(model, parts, text)
        at = text.labels["replaced"] >= 0
        found = parts.detector(model.hidden(text, token=tokens)[at])
        wide = found.to(torch.promote_types(found.dtype, torch.float32))
        truth = (tokens != text.inputs["original"])[at].to(wide.dtype)
        terms = {"replaced": F.binary_cross_entropy_with_logits(wide, truth, reduction="sum")}
        if logits is not None:
            labels = text.labels["masked"]
            terms["masked"] = model.class_loss(logits, labels[labels >= 0])
        return terms

    def judge(self, model: Parts, parts: Any, batches: Iterable[Batch], source: Source) -> dict[str, Any]:
        """How well replaced tokens are found, beside how many there are; samples show ___ where a token was hidden,
        then the one put in as [token], and a question mark behind every token that the detector takes for replaced."""
        found, samples = Detections(), []
        for batch in batches:
            text = batch["text"]
            tokens, _ = self.corrupted(model, parts, text)
            suspected = parts.detector(model.hidden(text, token=tokens)) > 0
            ordinary = text.labels["replaced"] >= 0
            different = tokens != text.inputs["original"]
            found.add(different[ordinary], suspected[ordinary])
            if "masked" in text.labels:
                found.fill(different[text.labels["masked"] >= 0])
            if len(samples) < SAMPLES and len(text):
                columns = (tokens, text.labels["replaced"] == 1, suspected & ordinary)
                shown, put_in, doubted = (c[: text.lengths[0]].cpu().numpy() for c in columns)
                given = blanked(shown, put_in, source.decode)
                samples.append({"given": given, "made": marked(shown, put_in, doubted, source.decode)})
        return {"figures": found.figures(), "samples": samples}

    def models_within(self) -> Mapping[str, Part]:
        """The discriminator, and the generator, which is a masked language model of its own."""
        if self.generator is None:
            return {}
        masked = Masked(rate=self.rate, unit=self.unit, mean_span=self.mean_span, replace=1.0, random=0.0)
        shared = {"embedders": "embedders", "unembedding": "unembedding", "output_bias": "output_bias"}
        inside = {"backbone": "parts.generator.backbone", "parts": "parts.generator.head"}
        detector = {"embedders": "embedders", "backbone": "backbone", "parts.detector": "parts.detector"}
        return {
            "": Part(self.model_copy(update={"generator": None}), detector),
            "generator": Part(masked, shared | inside, (self.generator.width, self.generator.layers)),
        }
