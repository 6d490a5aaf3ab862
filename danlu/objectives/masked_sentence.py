"""Masked sentence prediction: a hidden sentence is told from the hidden sentences of other documents by its
surroundings (after Zhang et al. 2019, HIBERT, and Logeswaran & Lee 2018, who tell sentences from candidates)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, Stream, StreamSpec, full_order
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.sentences.group_similarity import (
    Temperature,
    found_in_group,
    group_loss,
    learnable_start,
    unit_length,
)
from danlu.objectives.sentences.sentence_spans import Text, texts, window
from danlu.objectives.sentences.text_pairs import APART, TOGETHER, framed
from danlu.registry import objectives


@objectives.register
class MaskedSentence(Objective):
    """One whole sentence of each text is replaced by a mask token; the mean hidden state of the surroundings and, by a
    layer of its own, that of the mask are compared with the mean hidden states of all hidden sentences of the group,
    encoded alone. The first sentence of a document is not hidden: it has no white space before it, which would tell its
    place; nor is the last where the document ends in white space.

    group: windows of text a group is made of, no two of the same document; every text in them counts. shortest: tokens
    a sentence has at least to be hidden. temperature: cosines are divided by it; learned: it is where the temperature
    begins, as a parameter, which needs 0.01 or more.
    """

    name: Literal["masked_sentence"] = "masked_sentence"
    group: PositiveInt = Field(default=8, ge=2)
    shortest: PositiveInt = 4
    temperature: float = Field(default=0.05, gt=0)
    learned: bool = True

    _start = model_validator(mode="after")(learnable_start)

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "context": StreamSpec(sequence_labels={"sentence": np.int64, "place": np.int64}),
        "sentence": StreamSpec(),
    }
    terms: ClassVar[tuple[str, ...]] = ("sentence",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    boundaries: ClassVar[frozenset[str]] = frozenset({"sentence"})
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    embeds_text: ClassVar[bool] = True

    @property
    def units_per_example(self) -> float:
        """How many windows' worth of positions an example has: a text without its sentence, and the sentence."""
        return float(self.group)

    def example(self, sample: Sample) -> Example:
        contexts, sentences = [], []
        for each in (sample, *(sample.another() for _ in range(self.group - 1))):
            for text in texts(each):
                hidden = self.hide(text, window(each), sample)
                if hidden is not None:
                    contexts.append(hidden[0])
                    sentences.append(hidden[1])
        for number, seq in enumerate(contexts):
            seq.sequence_labels["sentence"] = number if len(contexts) > 1 else -1
        return {"context": contexts, "sentence": sentences}

    def hide(self, text: Text, size: int, sample: Sample) -> tuple[Seq, Seq] | None:
        """The text with a sentence masked, and that sentence, each of at most `size` tokens; None where no sentence but
        the first of the document is whole, long enough and has something beside it."""
        long_enough = [
            (i, j) for i, j in text.later_sentences if self.shortest <= j - i <= size - APART and j - i < len(text)
        ]
        if not long_enough:
            return None
        i, j = long_enough[int(sample.rng.integers(len(long_enough)))]
        before, after = text.cut(0, i), text.cut(j, len(text))
        over = max(0, len(before) + len(after) + TOGETHER - size)
        if over > max(len(before), len(after)):
            return None
        if len(before) > len(after):
            before = before.cut(over, len(before))
        else:
            after = after.cut(0, len(after) - over)
        v = sample.vocabulary
        ids = np.concatenate([[v.bos], before.ids, [v.require_mask()], after.ids, [v.eos]])
        alone, _, _ = framed([text.cut(i, j)], v)
        context = Seq({"token": ids}, full_order(len(ids)), sequence_labels={"place": 1 + len(before)})
        return context, Seq({"token": alone}, full_order(len(alone)))

    def build_head(self, shape: ModelShape) -> nn.Module:
        asked = nn.Linear(shape.width, shape.width)
        nn.init.zeros_(asked.weight)  # begins with what the surroundings are about, which no random projection hides
        nn.init.zeros_(asked.bias)
        return nn.ModuleDict({"asked": asked, "temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, head: Any, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """Contexts and sentences with their vectors [N, width] of length 1."""
        context, sentence = batch["context"], batch["sentence"]
        places = context.offsets[:-1] + context.sequence_labels["place"].clamp(min=0)
        hidden = model.hidden(context)
        asked = context.mean(hidden) + head["asked"](hidden[places])
        return (context, unit_length(asked)), (sentence, unit_length(sentence.mean(model.hidden(sentence))))

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        context, sentence = self.sides(model, head, batch)
        return {"sentence": group_loss(model, context, sentence, "sentence", head["temperature"]())}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """How often the hidden sentence is the nearest of the group's."""
        right: list[float] = []
        chance: list[float] = []
        for batch in batches:
            found, guessed = found_in_group(*self.sides(model, head, batch), "sentence")
            right, chance = right + found, chance + guessed
        if not right:
            return {}
        return {"figures": {"found in group": np.array(right), "found in group by chance": float(np.mean(chance))}}
