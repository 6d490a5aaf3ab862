"""Contrastive learning of text embeddings: views of one text are trained to be more similar than those of two texts.

Views are the same text with two dropout masks (SimCSE, Gao et al. 2021), two crops (Izacard et al. 2022), or
neighbouring spans of a document (Giorgi et al. 2021; Neelakantan et al. 2022).

Shapes: T positions and N sequences of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.sentences.group_similarity import (
    Temperature,
    check_temperature,
    group_figures,
    group_loss,
    normalise,
)
from danlu.objectives.sentences.sentence_spans import Text, cut_at_sentence, texts_of, unit_size
from danlu.objectives.sentences.text_pairs import SINGLE_FRAME, frame_texts
from danlu.registry import objectives

Views = Callable[["Contrastive", Text, np.random.Generator], "tuple[Text, Text] | None"]


def same_text(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text]:
    """Return the text twice; the views differ by dropout."""
    return text, text


def two_crops(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text]:
    """Return two random spans of the text, which may overlap."""
    return one_crop(settings, text, rng), one_crop(settings, text, rng)


def one_crop(settings: Contrastive, text: Text, rng: np.random.Generator) -> Text:
    """Return a span at a random position; its share of the text is drawn from `shortest` to `longest`."""
    share = settings.shortest + (settings.longest - settings.shortest) * rng.random()
    length = min(len(text), max(1, round(share * len(text))))
    start = int(rng.integers(len(text) - length + 1))
    return text.cut(start, start + length)


def neighbouring_spans(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Return the two spans before and after a random start of a sentence; None if the text has none inside."""
    return cut_at_sentence(text, rng)


VIEWS: Mapping[str, Views] = {"dropout": same_text, "crops": two_crops, "neighbours": neighbouring_spans}


@objectives.register
class Contrastive(Objective):
    """Identify the other view of a text among the views of all texts in a group, in both directions."""

    name: Literal["contrastive"] = "contrastive"
    views: Literal["dropout", "crops", "neighbours"] = Field(
        default="crops",
        description=(
            "`dropout`: the same text twice with different dropout masks, also when the held-out loss is measured; "
            "`crops`: two spans of the text; `neighbours`: two consecutive spans of sentences."
        ),
    )
    group: PositiveInt = Field(
        default=8,
        ge=2,
        description=("Number of windows of text in a group, all from different documents; every text in them is used."),
    )
    shortest: float = Field(default=0.2, gt=0, le=1, description="Minimum share of the text in a crop.")
    longest: float = Field(default=0.6, gt=0, le=1, description="Maximum share of the text in a crop.")
    at_least: PositiveInt = Field(default=8, ge=2, description="Minimum length of a text, in tokens.")
    temperature: float = Field(
        default=0.05, gt=0, description="Divisor of the cosines; with `learned`, its initial value, at least 0.01."
    )
    learned: bool = Field(default=False, description="Whether the temperature is a trainable parameter.")

    _start = model_validator(mode="after")(check_temperature)

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        side: StreamSpec(sequence_labels={"contrastive": np.int64}) for side in ("first", "second")
    }
    terms: ClassVar[tuple[str, ...]] = ("contrastive",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    embeds_text: ClassVar[bool] = True

    @model_validator(mode="after")
    def _ordered(self) -> Contrastive:
        if self.shortest > self.longest:
            raise ValueError(f"shortest {self.shortest} exceeds longest {self.longest}; lower it")
        return self

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"sentence"} if self.views == "neighbours" else ())

    @property
    def units_per_example(self) -> float:
        """Positions per example, in windows."""
        return self.group * {"dropout": 2.0, "crops": self.shortest + self.longest, "neighbours": 1.0}[self.views]

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        if self.views != "dropout" or has_dropout(models["backbone"]):
            return None
        return (
            f"contrastive with views dropout needs an architecture with dropout; {name} has none: set its dropout, "
            "for example dropout: 0.1 (a recurrent network has it between layers only), or use views crops"
        )

    def example(self, sample: Sample) -> Example:
        first, second = [], []
        for unit in (sample, *(sample.another() for _ in range(self.group - 1))):
            room = max(0, unit_size(unit) - SINGLE_FRAME)
            for text in texts_of(unit, bounds=bool(self.boundaries)):
                text = text.cut(0, room)
                views = VIEWS[self.views](self, text, sample.rng) if len(text) >= self.at_least else None
                if views is not None:
                    first.append(views[0])
                    second.append(views[1])
        one, other = ([self.sequence(text, sample) for text in side] for side in (first, second))
        for number, pair in enumerate(zip(one, other, strict=True)):
            for seq in pair:
                seq.sequence_labels["contrastive"] = number if len(one) > 1 else -1
        return {"first": one, "second": other}

    @staticmethod
    def sequence(text: Text, sample: Sample) -> Seq:
        """Return a text between its beginning and end tokens."""
        ids, _, _ = frame_texts([text], sample.vocabulary)
        return Seq({"token": ids}, full_order(len(ids)))

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """Return both streams, each with the normalised embeddings [N, width] of its sequences."""
        one, other = ((s, normalise(s.mean(model.hidden(s)))) for s in (batch["first"], batch["second"]))
        return one, other

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        with self.dropout_context(model, batch):
            one, other = self.sides(model, batch)
        scale = head["temperature"]()
        forward = group_loss(model, one, other, "contrastive", scale)
        return {"contrastive": forward + group_loss(model, other, one, "contrastive", scale)}

    def dropout_context(self, model: Any, batch: Batch) -> AbstractContextManager[None]:
        """Return a context that enables dropout outside of training for views `dropout`.

        Without dropout, both views of a text are identical, so that the validation loss would be meaningless. The
        masks depend on the batch only.
        """
        if self.views != "dropout" or model.training:
            return nullcontext()
        return enable_dropout(model, batch["first"].key.device, batch.units[0] if batch.units else 0)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure how often the other view has the highest cosine in the group.

        Views `dropout` are not evaluated, since without dropout both views are identical.
        """
        if self.views == "dropout":
            return {}
        figures = group_figures((self.sides(model, batch) for batch in batches), "contrastive")
        return {"figures": figures} if figures else {}


def has_dropout(model: nn.Module) -> bool:
    """Whether the model has active dropout: in a dropout layer, or between the layers of a recurrent network."""
    return any(
        (isinstance(m, nn.Dropout) and m.p > 0) or (isinstance(m, nn.RNNBase) and m.dropout > 0)
        for m in model.modules()
    )


@contextmanager
def enable_dropout(model: nn.Module, device: torch.device, seed: int) -> Iterator[None]:
    """Set the model to training mode and the random generators to `seed`; restore both at the end of the context."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.train()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
