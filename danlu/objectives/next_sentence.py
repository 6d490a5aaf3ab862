"""Next sentence prediction (Devlin et al. 2019), optionally with masked language modelling, encoded jointly or
separately."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import text_pairs
from danlu.objectives.sentences.sentence_spans import cut_at_sentence
from danlu.registry import objectives


@dataclass(frozen=True)
class Form:
    """How a pair is encoded."""

    layout: Callable[..., list[Seq]]
    frame: int  # number of special tokens
    sides: text_pairs.Sides  # the vectors of both texts
    segments: bool  # with one text per sequence, a segment would add the same vector everywhere


FORMS: Mapping[str, Form] = {
    "together": Form(text_pairs.joint_sequences, text_pairs.PAIR_FRAME, text_pairs.joint_vectors, True),
    "apart": Form(text_pairs.separate_sequences, text_pairs.SINGLE_FRAME, text_pairs.separate_vectors, False),
}


@objectives.register
class NextSentence(Objective):
    """Predict whether a span of sentences follows the one before it or is from another document, with probability 1/2
    each.

    The mean hidden states u and v of the two texts are classified by [u, v, |u - v|, u v].
    """

    name: Literal["next_sentence"] = "next_sentence"
    form: Literal["together", "apart"] = Field(
        default="together",
        description=(
            "`together`: both texts in one sequence [bos] A [eos] B [eos] with segments, as in BERT; "
            "`apart`: each encoded alone."
        ),
    )
    masked: Masked | None = Field(
        default=Masked(),
        description=(
            "Masked language modelling on the same sequences: its settings, or its rate as a number; "
            "false or 0 for none."
        ),
    )

    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    embeds_text: ClassVar[bool] = True

    _masked = field_validator("masked", mode="before")(text_pairs.parse_masked)

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
        return text_pairs.pair_heads(shape, self.masked)

    @property
    def fills_blanks(self) -> bool:
        return self.masked is not None

    def blank_logits(self, model: ModelAPI, head: Any, hidden: Tensor) -> Tensor:
        if self.masked is None:
            return super().blank_logits(model, head, hidden)
        return self.masked.blank_logits(model, head["masked"], hidden)

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        return text_pairs.pair_losses(model, head, batch["text"], "next", FORMS[self.form].sides)

    def judge(self, model: ModelAPI, head: Any, batches: Iterable[Batch], source: UnitSource) -> dict[str, Any]:
        sides, names = FORMS[self.form].sides, ("random", "next")
        return {"figures": text_pairs.pair_figures(model, head["pair"], batches, "next", sides, names)}
