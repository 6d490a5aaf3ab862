"""Next sentence prediction (Devlin et al. 2019), with masked language modelling or alone, in one sequence or in two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import field_validator
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, UnitSource
from danlu.objectives.masked import Masked
from danlu.objectives.sentences import text_pairs
from danlu.objectives.sentences.sentence_spans import cut_at_sentence
from danlu.registry import objectives


@dataclass(frozen=True)
class Form:
    """How a pair is laid out, the tokens around it, where the vectors of its two sides are, and whether it needs
    segments (where each text is alone one would only add the same vector to every text)."""

    laid_out: Callable[..., list[Seq]]
    around: int
    sides: text_pairs.Sides
    segments: bool


FORMS: Mapping[str, Form] = {
    "together": Form(text_pairs.together, text_pairs.PAIR_FRAME, text_pairs.joint_vectors, True),
    "apart": Form(text_pairs.apart, text_pairs.SINGLE_FRAME, text_pairs.separate_vectors, False),
}


@objectives.register
class NextSentence(Objective):
    """Tell whether a span of sentences follows the one before it in its document or is from another document, each half
    of the time.

    form: `together`, both in one sequence [bos] A [eos] B [eos] with segments, as BERT; `apart`, each encoded alone.
    Either way u, v, |u - v| and u v of the two sides' mean hidden states are classified. masked: settings of a masked
    objective that hides tokens of the same sequences (a number: its rate); false or 0: none, sentences alone.
    """

    name: Literal["next_sentence"] = "next_sentence"
    form: Literal["together", "apart"] = "together"
    masked: Masked | None = Masked()

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
        pairs = text_pairs.draw_pairs(sample, cut_at_sentence, form.around, bounds=True)
        return {"text": form.laid_out(pairs, sample, self.masked, "next")}

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
