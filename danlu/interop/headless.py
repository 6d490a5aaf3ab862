"""The objective of a published encoder without a head: it returns hidden states and predicts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.hf_heads import HIDDEN_STATES, Head
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample, with_hf_head
from danlu.registry import objectives
from danlu.settings import Settings


class Headless(Objective):
    """The objective of an encoder whose pre-training objective is not known.

    It has no loss terms, so it cannot be used for training, and it is not registered.
    """

    name: Literal["headless"] = "headless"

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec()}
    terms: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    hf_head: ClassVar[Head | None] = HIDDEN_STATES

    @property
    def origin(self) -> str:
        return "is an encoder without a prediction head"

    def example(self, sample: Sample) -> Example:
        return {"text": [Seq({"token": piece}, full_order(len(piece))) for piece in sample.pieces()]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        return nn.Identity()

    def losses(self, model: ModelAPI, head: nn.Module, batch: Batch) -> dict[str, Tensor]:
        return {}


def saved_objective(value: Any) -> Settings:
    """Return the objective that danlu.json names: a registered one or `Headless`."""
    if isinstance(value, dict) and value.get("name") == Headless().name:
        return Headless.model_validate(value)
    return objectives.validate(value)


def objective_of(head: Head, settings: Mapping[str, Any]) -> Settings:
    """Return the only objective whose models have that head in transformers; `Headless` if there is no head.

    Raises:
        WrongInput: if there is not exactly one such objective.
    """
    if head == Headless.hf_head:
        return Headless.model_validate(settings)
    matching = with_hf_head(head)
    if len(matching) != 1:
        found = f"{' and '.join(matching)} have" if matching else "none has"
        raise WrongInput(f"the objective that it was trained with is unknown: {found} its head, {head.auto_class}")
    return objectives.validate({"name": matching[0], **settings})
