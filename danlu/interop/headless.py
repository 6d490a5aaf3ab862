"""An encoder of others that comes without a head: its hidden states can be used and fine-tuned, and predict nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, full_order
from danlu.errors import WrongInput
from danlu.hf_heads import HIDDEN_STATES, Head
from danlu.objective import ModelAPI, ModelShape, Objective, Sample, with_hf_head
from danlu.registry import objectives
from danlu.settings import Settings


class Headless(Objective):
    """What stands where another model has the objective it was trained by. It is not registered: nothing can be
    trained by it, for it has no terms."""

    name: Literal["headless"] = "headless"

    streams: ClassVar[Mapping[str, StreamSpec]] = {"text": StreamSpec()}
    terms: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Mapping[str, frozenset[str]]] = {"backbone": frozenset({"full"})}
    continues_text: ClassVar[bool] = False
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
    """The objective that danlu.json names: a registered one, or none."""
    if isinstance(value, dict) and value.get("name") == Headless().name:
        return Headless.model_validate(value)
    return objectives.validate(value)


def objective_of(head: Head, settings: Mapping[str, Any]) -> Settings:
    """With these settings, the one objective whose models have that head in transformers; `Headless` for none."""
    if head == Headless.hf_head:
        return Headless.model_validate(settings)
    able = with_hf_head(head)
    if len(able) != 1:
        found = f"{' and '.join(able)} are" if able else "none is"
        raise WrongInput(f"which objective has trained it is not known; of those with its head {found} registered")
    return objectives.validate({"name": able[0], **settings})
