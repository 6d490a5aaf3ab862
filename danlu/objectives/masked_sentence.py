"""Masked sentence prediction: identify a hidden sentence by its context among the hidden sentences of a group.

After HIBERT (Zhang et al. 2019) and the sentence classification of Logeswaran and Lee (2018).

Shapes: N sequences of a stream.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
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
from danlu.objectives.sentences.sentence_spans import Sentence, Text, texts_of, unit_size
from danlu.objectives.sentences.text_pairs import PAIR_FRAME, SINGLE_FRAME, frame_texts
from danlu.registry import objectives
from danlu.tokens.vocabulary import Vocabulary


@objectives.register
class MaskedSentence(Objective):
    """Replace a sentence of each text with a mask token and identify it among the hidden sentences of the group.

    The query is the mean hidden state of the context plus a linear map of the mask's hidden state. The candidates are
    the mean hidden states of the hidden sentences, each encoded alone; the loss is the cross-entropy of their cosines.

    White space and punctuation at the ends of a sentence must not reveal its context. Therefore the first sentence of a
    document is never hidden, nor is the last one if the document ends in white space, and all hidden sentences of a
    group have the same kind of start and of end.
    """

    name: Literal["masked_sentence"] = "masked_sentence"
    group: PositiveInt = Field(
        default=8,
        ge=2,
        description=("Number of windows of text in a group, all from different documents; every text in them is used."),
    )
    shortest: PositiveInt = Field(default=4, description="Minimum length of a hidden sentence, in tokens.")
    temperature: float = Field(
        default=0.05, gt=0, description="Divisor of the cosines; with `learned`, its initial value, at least 0.01."
    )
    learned: bool = Field(default=True, description="Whether the temperature is a trainable parameter.")

    _start = model_validator(mode="after")(check_temperature)

    streams: ClassVar[Mapping[str, StreamSpec]] = {
        "context": StreamSpec(sequence_labels={"sentence": np.int64, "place": np.int64}),
        "sentence": StreamSpec(),
    }
    terms: ClassVar[tuple[str, ...]] = ("sentence",)
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    boundaries: ClassVar[frozenset[str]] = frozenset({"sentence"})
    example_version: ClassVar[int] = 2
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    embeds_text: ClassVar[bool] = True

    @property
    def units_per_example(self) -> float:
        """Windows per example: the contexts and the hidden sentences together are as long as the windows."""
        return float(self.group)

    def example(self, sample: Sample) -> Example:
        units = (sample, *(sample.another() for _ in range(self.group - 1)))
        texts = [(text, unit_size(unit)) for unit in units for text in texts_of(unit)]
        candidates = [self.candidates(text, size) for text, size in texts]
        kinds = Counter(kind for text_candidates in candidates for _, kind in text_candidates)
        most_common = max(kinds, key=kinds.__getitem__, default=None)
        contexts, sentences = [], []
        for (text, size), text_candidates in zip(texts, candidates, strict=True):
            matching = [sentence for sentence, kind in text_candidates if kind == most_common]
            if not matching:
                continue
            pair = hide(text, matching[int(sample.rng.integers(len(matching)))], size, sample.vocabulary)
            if pair is not None:
                contexts.append(pair[0])
                sentences.append(pair[1])
        for number, seq in enumerate(contexts):
            seq.sequence_labels["sentence"] = number if len(contexts) > 1 else -1
        return {"context": contexts, "sentence": sentences}

    def candidates(self, text: Text, size: int) -> list[tuple[Sentence, tuple[int, int]]]:
        """Return the sentences that can be hidden, each with the kinds of its start and of its end."""
        sentences = []
        for start, stop in text.later_sentences:
            length = len(text.sentence_span(start, stop))
            if self.shortest <= length <= size - SINGLE_FRAME and stop - start < len(text):
                sentences.append(((start, stop), (text.start_kind(start), text.stop_kind(stop))))
        return sentences

    def build_head(self, shape: ModelShape) -> nn.Module:
        query = nn.Linear(shape.width, shape.width)
        nn.init.zeros_(query.weight)  # the initial query is the mean of the context, without a random projection
        nn.init.zeros_(query.bias)
        return nn.ModuleDict({"asked": query, "temperature": Temperature(self.temperature, self.learned)})

    def sides(self, model: ModelAPI, head: Any, batch: Batch) -> tuple[tuple[Stream, Tensor], tuple[Stream, Tensor]]:
        """Return contexts and sentences, each as a stream and its normalised embeddings [N, width]."""
        context, sentence = batch["context"], batch["sentence"]
        places = context.offsets[:-1] + context.sequence_labels["place"].clamp(min=0)
        hidden = model.hidden(context)
        query = context.mean(hidden) + head["asked"](hidden[places])
        return (context, normalise(query)), (sentence, normalise(sentence.mean(model.hidden(sentence))))

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        context, sentence = self.sides(model, head, batch)
        return {"sentence": group_loss(model, context, sentence, "sentence", head["temperature"]())}

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        """Measure how often the hidden sentence has the highest cosine in its group."""
        figures = group_figures((self.sides(model, head, batch) for batch in batches), "sentence")
        return {"figures": figures} if figures else {}


def hide(text: Text, sentence: Sentence, size: int, vocabulary: Vocabulary) -> tuple[Seq, Seq] | None:
    """Return the text with one sentence masked, and that sentence, each with at most `size` tokens.

    Returns None if no context remains.
    """
    start, stop = sentence
    before, after = text.cut(0, text.before_overhang(start)), text.cut(text.after_blanks(stop), len(text))
    excess = max(0, len(before) + len(after) + PAIR_FRAME - size)
    if excess > max(len(before), len(after)) or not len(before) + len(after):
        return None
    if len(before) > len(after):
        before = before.cut(excess, len(before))
    else:
        after = after.cut(0, len(after) - excess)
    ids = np.concatenate([[vocabulary.bos], before.ids, [vocabulary.require_mask()], after.ids, [vocabulary.eos]])
    alone, _, _ = frame_texts([text.sentence_span(start, stop)], vocabulary)
    context = Seq({"token": ids}, full_order(len(ids)), sequence_labels={"place": 1 + len(before)})
    return context, Seq({"token": alone}, full_order(len(alone)))
