"""Text classification from the mean hidden state of a text: the objective and the predictor.

Shapes: N texts of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.batch import ATTENTION_ORDERS, Batch, Example, Seq, StreamSpec
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample
from danlu.packing import pack
from danlu.tasks.predictor import Predictor, batches_of, framed_ids, predictors
from danlu.tasks.task import EncodedRow
from danlu.tokens.tokenizer import TextTokenizer


@dataclass(frozen=True)
class LabelledIds(EncodedRow):
    """A text as token ids, and its class."""

    label: int  # index of the class; -1 if unknown


def convert_full_setting(data: Any) -> Any:
    """Convert the boolean setting `full` of earlier versions to the setting `order`."""
    if not isinstance(data, dict) or "full" not in data:
        return data
    order = "full" if data["full"] else "causal"
    return {"order": order} | {key: value for key, value in data.items() if key != "full"}


class Classification(Objective):
    """Predict the class of a text from the mean of its hidden states."""

    name: Literal["classify"] = "classify"
    classes: int = Field(description="Number of classes.")
    order: str = Field(description="Attention order in which the pre-trained model reads a text.")
    dropout: float = Field(0.1, description="Dropout before the output layer.")

    terms: ClassVar[tuple[str, ...]] = ("label",)
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    class_labels: ClassVar[frozenset[str]] = frozenset({"label"})

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {"text": StreamSpec(sequence_labels={"label": np.int64})}

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        return {"backbone": frozenset({self.order})}

    @property
    def reading_order(self) -> str:
        return self.order

    def example(self, sample: Sample) -> Example:
        return self.sequences(sample.row())

    def sequences(self, row: LabelledIds) -> Example:
        """Return the example of a row."""
        key, query = ATTENTION_ORDERS[self.order](len(row.ids))
        return {"text": [Seq({"token": row.ids}, key, query, sequence_labels={"label": row.label})]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        head = nn.Linear(shape.width, self.classes)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return nn.Sequential(nn.Dropout(self.dropout), head)

    def scores(self, model: ModelAPI, head: Any, batch: Batch) -> Tensor:
        """Return the logits of the texts of a batch, [N, classes]."""
        text = batch["text"]
        return head(text.mean(model.hidden(text)))

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        labels = batch["text"].sequence_labels["label"]
        at = (labels >= 0).nonzero().squeeze(1)
        return {"label": model.class_loss(self.scores(model, head, batch)[at], labels[at])}


@predictors.register
class TextClassifier(Predictor):
    """Predict one of several classes for a text."""

    name: Literal["classify"] = "classify"
    classes: list[str] = Field(description="Names of the classes, in the order of the logits.")
    order: str = Field(description="Attention order in which the model reads a text.")
    max_tokens: int = Field(
        description="Longer texts are truncated to this many tokens, beginning and end tokens included."
    )
    dropout: float = Field(0.1, description="Dropout before the output layer in training.")

    predicts_probabilities: ClassVar[bool] = True

    @model_validator(mode="before")
    @classmethod
    def _order_of_earlier_versions(cls, data: Any) -> Any:
        return convert_full_setting(data)

    def objective(self) -> Classification:
        return Classification(classes=len(self.classes), order=self.order, dropout=self.dropout)

    @torch.no_grad()
    def answer(self, model: Any, tokenizer: TextTokenizer, inputs: Sequence[str]) -> list[dict[str, float]]:
        """Return {class: probability} for each text, the most probable class first."""
        objective, logits = self.objective(), []
        rows = [LabelledIds(ids, -1) for ids in framed_ids(inputs, tokenizer, self.max_tokens)]
        for numbers in batches_of([row.num_tokens for row in rows]):
            batch = pack([objective.sequences(rows[i]) for i in numbers], objective.streams, numbers)
            logits.append(objective.scores(model, model.head, batch.to(model.device)).float().cpu())
        return [self.rank_classes(row) for row in torch.cat(logits).double().softmax(1).numpy()] if logits else []

    def rank_classes(self, probabilities: np.ndarray) -> dict[str, float]:
        """Return {class: probability} from probabilities [classes], the most probable class first."""
        order = np.argsort(-probabilities, kind="stable")
        return {self.classes[i]: float(probabilities[i]) for i in order}
