"""Classification: one label for a text."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, PositiveInt, Tag

from danlu import registry
from danlu.errors import WrongInput
from danlu.metrics.classification import Accuracy, confusion_table, per_class_table
from danlu.metrics.metric import Figure, Metric
from danlu.metrics.prediction_example import MAX_EXAMPLES, PredictionExample, truncate
from danlu.metrics.table import DetailTable
from danlu.objective import Objective
from danlu.tasks.classification_baselines import majority_labels, require_controls, tfidf_predictions
from danlu.tasks.labelled_files import LabelledFiles
from danlu.tasks.predictor import framed_ids
from danlu.tasks.pydocs_parts import pydocs_parts
from danlu.tasks.rows import LabelledRows, Row, few_labels
from danlu.tasks.task import Task, Ties
from danlu.tasks.text_classifier import LabelledIds, TextClassifier
from danlu.tokens.tokenizer import TextTokenizer

BUILTIN = {"builtin:pydocs_parts": pydocs_parts}


@registry.tasks.register
class Classify(Task):
    """Predict one label for a text."""

    name: Literal["classify"] = "classify"
    rows: Annotated[
        Annotated[Literal["builtin:pydocs_parts"], Tag("builtin")] | Annotated[LabelledFiles, Tag("files")],
        Discriminator(lambda rows: "builtin" if isinstance(rows, str) else "files"),
    ] = Field(description="The labelled rows: tables, or `builtin:pydocs_parts`.")
    labels_per_class: PositiveInt | None = Field(
        16, description="Training rows drawn for each class and seed. null: all rows."
    )
    max_tokens: int = Field(
        128, ge=3, description="Longer texts are truncated to this many tokens, beginning and end tokens included."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout before the output layer.")
    metric: registry.metrics.choice() = Field(  # type: ignore[valid-type]
        Accuracy(), description="Headline metric of the model and of all baselines."
    )

    run_name: ClassVar[str | None] = "labels"
    input_blind: ClassVar[frozenset[str]] = frozenset({"majority"})

    def read(self) -> LabelledRows:
        return self.rows.read() if isinstance(self.rows, LabelledFiles) else BUILTIN[self.rows]()

    def sample(self, rows: LabelledRows, seed: int) -> Sequence[Row]:
        if self.labels_per_class is None:
            return rows.train
        try:
            return few_labels(rows.train, self.labels_per_class, seed)
        except WrongInput as error:
            raise WrongInput(f"labels_per_class: {error}") from None

    def predictor(self, rows: LabelledRows, pretrained: Objective) -> TextClassifier:
        return TextClassifier(
            classes=list(rows.classes), order=pretrained.reading_order, max_tokens=self.max_tokens, dropout=self.dropout
        )

    def inputs(self, rows: Sequence[Row]) -> list[str]:
        return [row.text for row in rows]

    def encode(self, selected: Sequence[Row], rows: LabelledRows, tokenizer: TextTokenizer) -> list[LabelledIds]:
        number = {label: i for i, label in enumerate(rows.classes)}
        ids = framed_ids(self.inputs(selected), tokenizer, self.max_tokens)
        return [LabelledIds(i, number[row.label]) for i, row in zip(ids, selected, strict=True)]

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metric given by the settings, then all others."""
        others = [registry.metrics.validate(name) for name in registry.metrics if name != self.metric.name]
        return (self.metric, *others)  # type: ignore[return-value]

    def score(self, rows: Sequence[Row], predictions: Sequence[Mapping[str, float]]) -> dict[str, Figure]:
        expected, predicted = [row.label for row in rows], most_probable(predictions)
        return {metric.name: metric.figure(expected, predicted) for metric in self.metrics}

    def baselines(self, train: Sequence[Row], test: Sequence[Row], seed: int) -> dict[str, list[Any] | Ties]:
        """Predict with TF-IDF and logistic regression, and with the most frequent label."""
        tfidf = tfidf_predictions(train, test, seed, self.metric)
        tied = tuple([{label: 1.0}] * len(test) for label in majority_labels(train))
        return {"tfidf": [{label: 1.0} for label in tfidf], "majority": Ties(tied)}

    def details(self, rows: Sequence[Row], predictions: Sequence[Mapping[str, float]]) -> dict[str, DetailTable]:
        """Precision, recall and F1 of each class, and the confusion matrix."""
        expected, predicted = [row.label for row in rows], most_probable(predictions)
        return {"per_class": per_class_table(expected, predicted), "confusion": confusion_table(expected, predicted)}

    def wrong_examples(
        self, rows: Sequence[Row], predictions: Sequence[Mapping[str, float]]
    ) -> list[PredictionExample]:
        """Return the wrong predictions with the highest probabilities; equal ones in the order of the rows."""
        found = [
            PredictionExample(truncate(row.text), row.label, label, prediction[label])
            for row, prediction, label in zip(rows, predictions, most_probable(predictions), strict=True)
            if label != row.label
        ]
        return sorted(found, key=lambda example: -(example.probability or 0.0))[:MAX_EXAMPLES]

    def facts(self, rows: LabelledRows) -> dict[str, Any]:
        return {"labels": self.labels_per_class, "classes": list(rows.classes)}

    def check_extras(self) -> None:
        require_controls()

    @property
    def required_context(self) -> int:
        return self.max_tokens

    @classmethod
    def draft(cls, rows: Mapping[str, Any], settings: Mapping[str, Any], context: int) -> dict[str, Any]:
        """Return the settings that `danlu finetune` starts from; by default all training rows are used."""
        return super().draft(rows, {"labels_per_class": None, **settings}, context)

    @classmethod
    def usage(cls, folder: str) -> dict[str, Any]:
        python = f'import danlu\n\nmodel = danlu.load("{folder}")\nprint(model.classify(["a text"]))\n'
        return {"shell": [shlex.join(["danlu", "classify", folder, "a text"])], "python": python}


def most_probable(predictions: Sequence[Mapping[str, float]]) -> list[str]:
    """Return the most probable label of each prediction, which is its first key."""
    return [next(iter(prediction)) for prediction in predictions]
