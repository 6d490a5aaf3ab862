"""Next sentence prediction (Devlin et al. 2019), encoded jointly or separately, optionally with masking.

Shapes: T positions of a stream, k pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.hf_heads import MASKED_LM_AND_NEXT_SENTENCE, Head
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import text_pairs
from danlu.objectives.sentences.sentence_spans import cut_at_sentence
from danlu.registry import objectives


@dataclass(frozen=True)
class Form:
    """An encoding of text pairs."""

    layout: Callable[..., list[Seq]]  # builds the sequences of pairs
    frame: int  # number of special tokens
    sides: text_pairs.Sides  # returns the vectors of both texts
    segments: bool  # whether there are segments; with one text per sequence they carry no information


@dataclass(frozen=True)
class Classifier:
    """A classifier of text pairs."""

    head: type[text_pairs.PairHead]
    sides: text_pairs.Sides | None = None  # returns the input vectors of the head; None: that of the form


CLASSIFIERS: Mapping[str, Classifier] = {
    "pooled_pair": Classifier(text_pairs.PairHead),
    "first_token": Classifier(text_pairs.FirstTokenHead, text_pairs.first_vectors),
}

FORMS: Mapping[str, Form] = {
    "together": Form(text_pairs.joint_sequences, text_pairs.PAIR_FRAME, text_pairs.joint_vectors, True),
    "apart": Form(text_pairs.separate_sequences, text_pairs.SINGLE_FRAME, text_pairs.separate_vectors, False),
}


@objectives.register
class NextSentence(Objective):
    """Predict whether the second of two spans follows the first one or is from another document.

    Both cases have probability 1/2.
    """

    name: Literal["next_sentence"] = "next_sentence"
    form: Literal["together", "apart"] = Field(
        default="together",
        description=(
            "`together`: both texts in one sequence [bos] A [eos] B [eos] with segments, as in BERT; "
            "`apart`: each encoded alone."
        ),
    )
    classifier: Literal["pooled_pair", "first_token"] = Field(
        default="pooled_pair",
        description=(
            "`pooled_pair`: reads [u, v, |u - v|, u v] of the mean hidden states u and v of the two texts; "
            "`first_token`: reads the hidden state of [bos], as in BERT, with form `together`."
        ),
    )
    masked: text_pairs.MaskedOption = Masked()

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    optional_hf_heads: ClassVar[Mapping[Head, str]] = {
        MASKED_LM_AND_NEXT_SENTENCE: "classifier: first_token, masked: true"
    }

    @model_validator(mode="after")
    def _one_sequence(self) -> NextSentence:
        if self.classifier == "first_token" and self.form == "apart":
            raise ValueError(
                "classifier first_token reads both texts in one sequence; set form: together (currently apart)"
            )
        return self

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return text_pairs.pair_streams("next", self.masked, FORMS[self.form].segments)

    @property
    def terms(self) -> tuple[str, ...]:
        return ("next",) if self.masked is None else ("next", "masked")

    @property
    def logits_from(self) -> LogitsFrom:
        return LogitsFrom.NOTHING if self.masked is None else self.masked.logits_from

    @property
    def boundaries(self) -> frozenset[str]:
        return frozenset({"sentence"}) | (self.masked.boundaries if self.masked else frozenset())

    def example(self, sample: Sample) -> Example:
        form = FORMS[self.form]
        pairs = text_pairs.draw_pairs(sample, cut_at_sentence, form.frame, bounds=True)
        return {"text": form.layout(pairs, sample, self.masked, "next")}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return text_pairs.pair_heads(shape, self.masked, CLASSIFIERS[self.classifier].head)

    @property
    def sides(self) -> text_pairs.Sides:
        """The function that returns the input vectors of the classifier."""
        return CLASSIFIERS[self.classifier].sides or FORMS[self.form].sides

    @property
    def hf_head(self) -> Head | None:
        bert = self.classifier == "first_token" and self.masked is not None
        return MASKED_LM_AND_NEXT_SENTENCE if bert else None

    @property
    def embeds_text(self) -> bool:
        return self.classifier == "pooled_pair"

    @property
    def fills_blanks(self) -> bool:
        return self.masked is not None

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        if self.masked is None:
            return super().blank_logits(model, head, hidden)
        return self.masked.blank_logits(model, head["masked"], hidden)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return text_pairs.pair_losses(model, head, batch["text"], "next", self.sides)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        names = ("random", "next")
        return {"figures": text_pairs.pair_figures(model, head["pair"], batches, "next", self.sides, names)}
