"""Contrastive learning of text vectors: two views of a text are to be closer than views of other texts.

Views: the same text under two draws of dropout (SimCSE, Gao et al. 2021), two crops (Izacard et al. 2022), neighbouring
spans of a document (Giorgi et al. 2021; Neelakantan et al. 2022)."""

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
    accuracy_in_group,
    check_temperature,
    group_loss,
    normalized,
)
from danlu.objectives.sentences.sentence_spans import Text, cut_at_sentence, texts_of, unit_size
from danlu.objectives.sentences.text_pairs import SINGLE_FRAME, framed
from danlu.registry import objectives

Views = Callable[["Contrastive", Text, np.random.Generator], "tuple[Text, Text] | None"]


def same_text(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text]:
    """The text twice: what differs is the dropout of the device."""
    return text, text


def two_crops(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text]:
    """Two spans of the text, each of a share drawn between `shortest` and `longest` at any place; they may overlap."""
    return one_crop(settings, text, rng), one_crop(settings, text, rng)


def one_crop(settings: Contrastive, text: Text, rng: np.random.Generator) -> Text:
    share = settings.shortest + (settings.longest - settings.shortest) * rng.random()
    length = min(len(text), max(1, round(share * len(text))))
    start = int(rng.integers(len(text) - length + 1))
    return text.cut(start, start + length)


def neighbours(settings: Contrastive, text: Text, rng: np.random.Generator) -> tuple[Text, Text] | None:
    """Two spans that meet where a sentence begins; None where none does."""
    return cut_at_sentence(text, rng)


VIEWS: Mapping[str, Views] = {"dropout": same_text, "crops": two_crops, "neighbours": neighbours}


@objectives.register
class Contrastive(Objective):
    """The views of a text are told from the views of the other texts of a group, both ways.

    views: `dropout`, the same text twice (the architecture needs dropout, which is there also where the held-out loss
    is measured); `crops`, two spans of it of a share between shortest and longest; `neighbours`, two spans of sentences
    that follow each other. group: windows of text a group is made of, no two of the same document; every text in them
    counts. at_least: tokens of a text that takes part. temperature: cosines are divided by it; learned: it is where the
    temperature begins, as a parameter, which needs 0.01 or more.
    """

    name: Literal["contrastive"] = "contrastive"
    views: Literal["dropout", "crops", "neighbours"] = "crops"
    group: PositiveInt = Field(default=8, ge=2)
    shortest: float = Field(default=0.2, gt=0, le=1)
    longest: float = Field(default=0.6, gt=0, le=1)
    at_least: PositiveInt = Field(default=8, ge=2)
    temperature: float = Field(default=0.05, gt=0)
    learned: bool = False

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
            raise ValueError(f"shortest {self.shortest} is above longest {self.longest}")
        return self

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"sentence"} if self.views == "neighbours" else ())

    @property
    def units_per_example(self) -> float:
        """How many windows' worth of positions an example has."""
        return self.group * {"dropout": 2.0, "crops": self.shortest + self.longest, "neighbours": 1.0}[self.views]

    def check_architecture(self, models: Mapping[str, Any], name: str) -> str | None:
        if self.views != "dropout" or draws_dropout(models["backbone"]):
            return None
        return (
            f"contrastive with views dropout needs an architecture that drops out; {name} does not: set its dropout, "
            "such as dropout: 0.1 (a recurrent network drops out between layers only), or take views crops"
        )

    def example(self, sample: Sample) -> Example:
        first, second = [], []
        for each in (sample, *(sample.another() for _ in range(self.group - 1))):
            room = max(0, unit_size(each) - SINGLE_FRAME)
            for text in texts_of(each, bounds=bool(self.boundaries)):
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
        ids, _, _ = framed([text], sample.vocabulary)
        return Seq({"token": ids}, full_order(len(ids)))

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.ModuleDict({"temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """The two streams with their vectors [N, width] of length 1."""
        one, other = ((s, normalized(s.mean(model.hidden(s)))) for s in (batch["first"], batch["second"]))
        return one, other

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        with self.drawing(model, batch):
            one, other = self.sides(model, batch)
        scale = head["temperature"]()
        there = group_loss(model, one, other, "contrastive", scale)
        return {"contrastive": there + group_loss(model, other, one, "contrastive", scale)}

    def drawing(self, model: Any, batch: Batch) -> AbstractContextManager[None]:
        """For views dropout there is dropout out of training too, the same for the same batch: without it a text would
        be compared with itself, and the loss that weights are chosen by would say nothing of what is learnt."""
        if self.views != "dropout" or model.training:
            return nullcontext()
        return dropout_on(model, batch["first"].key.device, batch.units[0] if batch.units else 0)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """How often the other view is the nearest of the group. Without dropout, views dropout are the same text, and
        nothing is to be found out."""
        if self.views == "dropout":
            return {}
        right: list[float] = []
        chance: list[float] = []
        for batch in batches:
            found, guessed = accuracy_in_group(*self.sides(model, batch), "contrastive")
            right, chance = right + found, chance + guessed
        if not right:
            return {}
        return {"figures": {"found in group": np.array(right), "found in group by chance": float(np.mean(chance))}}


def draws_dropout(model: nn.Module) -> bool:
    """Whether two passes in training differ: a dropout layer, or a recurrent one that has dropout between layers."""
    return any(
        (isinstance(m, nn.Dropout) and m.p > 0) or (isinstance(m, nn.RNNBase) and m.dropout > 0)
        for m in model.modules()
    )


@contextmanager
def dropout_on(model: nn.Module, device: torch.device, seed: int) -> Iterator[None]:
    """The model as in training, with draws that depend on the seed alone; its modes and the generators are then again
    as they were."""
    modes = [(module, module.training) for module in model.modules()]
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        model.train()
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
