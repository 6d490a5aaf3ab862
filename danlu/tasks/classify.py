"""One label for a text, from the mean of its hidden states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Discriminator, Field, PositiveInt, Tag
from torch import Tensor, nn

from danlu.batch import Batch, Example, Seq, StreamSpec, causal_order, full_order
from danlu.metrics.classification import Accuracy
from danlu.objective import LogitsFrom, ModelAPI, ModelShape, Objective, Sample
from danlu.registry import metrics, tasks
from danlu.settings import Settings
from danlu.tasks.label_tables import labelled_files
from danlu.tasks.predictors import heads
from danlu.tasks.pydocs_parts import pydocs_parts
from danlu.tasks.rows import LabelledRows, Row
from danlu.tokens.tokenizer import TextTokenizer


@dataclass(frozen=True)
class EncodedRow:
    """ids: [L] with the beginning and end tokens; label: the class number, -1 where unknown."""

    ids: np.ndarray
    label: int


def framed(texts: Sequence[str], tokenizer: TextTokenizer, max_tokens: int) -> list[np.ndarray]:
    """The ids of each text between the beginning and end tokens, cut to `max_tokens` with them."""
    v = tokenizer.vocabulary
    return [np.concatenate([[v.bos], ids[: max_tokens - 2], [v.eos]]) for ids in tokenizer.encode_batch(list(texts))]


class Classification(Objective):
    """The objective of a classification task: its units are rows, its term the cross-entropy of the label."""

    name: Literal["classify"] = "classify"
    classes: int
    full: bool  # positions attend to both sides (encoders), or only to those before them (decoders)
    dropout: float = 0.1

    terms: ClassVar[tuple[str, ...]] = ("label",)
    continues_text: ClassVar[bool] = False
    logits_from: ClassVar[LogitsFrom] = LogitsFrom.NOTHING
    class_labels: ClassVar[frozenset[str]] = frozenset({"label"})

    @property
    def streams(self) -> Mapping[str, StreamSpec]:
        return {"text": StreamSpec(sequence_labels={"label": np.int64})}

    @property
    def needs(self) -> Mapping[str, frozenset[str]]:
        return {"backbone": frozenset({"full" if self.full else "causal"})}

    def example(self, sample: Sample) -> Example:
        return self.sequences(sample.row())

    def sequences(self, row: EncodedRow) -> Example:
        order = (full_order if self.full else causal_order)(len(row.ids))
        return {"text": [Seq({"token": row.ids}, order, sequence_labels={"label": row.label})]}

    def build_head(self, shape: ModelShape) -> nn.Module:
        head = nn.Linear(shape.width, self.classes)
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return nn.Sequential(nn.Dropout(self.dropout), head)

    def scores(self, model: ModelAPI, head: Any, batch: Batch) -> Tensor:
        """[N, classes] logits."""
        text = batch["text"]
        return head(text.mean(model.hidden(text)))

    def losses(self, model: ModelAPI, head: Any, batch: Batch) -> dict[str, Tensor]:
        at = (batch["text"].sequence_labels["label"] >= 0).nonzero().squeeze(1)
        return {
            "label": model.class_loss(self.scores(model, head, batch)[at], batch["text"].sequence_labels["label"][at])
        }

    @torch.no_grad()
    def predict(self, model: Any, batch: Batch) -> np.ndarray:
        """[N] class numbers, in the order of the batch's units."""
        return self.scores(model, model.head, batch).argmax(1).cpu().numpy()


class RowFiles(Settings):
    """Tables with a header row (.tsv, .csv, plain or .zst) and the columns to read. dev: rows for choices of your own;
    nothing is chosen by them here, and none of them is learned from."""

    train: Path
    test: Path
    dev: Path | None = None
    text: str = "text"
    label: str = "label"

    def read(self) -> LabelledRows:
        return labelled_files(self.train, self.test, self.dev, self.text, self.label)


BUILTIN = {"builtin:pydocs_parts": pydocs_parts}


@tasks.register
class Classify(Settings):
    """One label for a text. labels_per_class: training rows drawn for each class and seed (None: all of them);
    max_tokens: longer texts are cut, the beginning and end tokens included; metric: by what ours and every control is
    scored."""

    name: Literal["classify"] = "classify"
    rows: Annotated[
        Annotated[Literal["builtin:pydocs_parts"], Tag("builtin")] | Annotated[RowFiles, Tag("files")],
        Discriminator(lambda rows: "builtin" if isinstance(rows, str) else "files"),
    ]
    labels_per_class: PositiveInt | None = 16
    max_tokens: int = Field(default=128, ge=3)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    metric: metrics.choice() = Accuracy()  # type: ignore[valid-type]

    def read(self) -> LabelledRows:
        return self.rows.read() if isinstance(self.rows, RowFiles) else BUILTIN[self.rows]()

    def objective(self, classes: Sequence[str], full: bool) -> Classification:
        return Classification(classes=len(classes), full=full, dropout=self.dropout)

    def head(self, classes: Sequence[str], full: bool) -> Settings:
        """What a model that was fine-tuned on these classes is kept with."""
        return heads.validate({
            "name": "classify", "classes": list(classes), "full": full, "max_tokens": self.max_tokens,
            "dropout": self.dropout,
        })  # fmt: skip

    def encode(self, rows: Sequence[Row], classes: Sequence[str], tokenizer: TextTokenizer) -> list[EncodedRow]:
        """Rows as token ids and class numbers."""
        number = {label: i for i, label in enumerate(classes)}
        ids = framed([row.text for row in rows], tokenizer, self.max_tokens)
        return [EncodedRow(i, number[row.label]) for i, row in zip(ids, rows, strict=True)]
