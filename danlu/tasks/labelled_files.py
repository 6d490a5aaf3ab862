"""The rows of a classification task from files: one table for each split, or one table that is split by danlu."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from danlu.errors import WrongInput, nearest
from danlu.settings import Settings
from danlu.tasks.label_tables import read_rows
from danlu.tasks.rows import LabelledRows, Row, near_duplicates_between, remove_texts_of, stratified_split


class LabelledFiles(Settings):
    """Tables with a header row (.tsv, .csv) or .jsonl, optionally .gz or .zst, and the names of their columns.

    Training and dev rows with the text of a test row, and training rows with the text of a dev row, are removed and
    counted. Texts that differ only in white space and case count as equal. Test rows are never removed.
    """

    train: Path = Field(description="Training rows; with `split` also the test rows.")
    test: Path | None = Field(None, description="Test rows.")
    dev: Path | None = Field(None, description="Rows on which the learning rate and the number of steps are selected.")
    split: float | None = Field(
        None, gt=0, lt=1, description="Fraction of the rows of each class in `train` to test on, instead of `test`."
    )
    text: str = Field("text", description="Column of the text.")
    label: str = Field("label", description="Column of the label.")
    group: str | None = Field(
        None, description="Column of the group, such as the author. With `split`, a group is never divided."
    )

    @model_validator(mode="after")
    def _one_source_of_test_rows(self) -> LabelledFiles:
        if (self.test is None) == (self.split is None):
            raise ValueError("give either test (a table) or split (a fraction of the rows of train, such as 0.2)")
        if self.group is not None and self.split is None:
            raise ValueError("group is used with split only; give split, or leave group out")
        return self

    def read(self) -> LabelledRows:
        """Read and check all rows.

        Raises:
            WrongInput: with file and line, for example for a label that no training row has.
        """
        train_rows = read_rows(self.train, self.text, self.label, self.group)
        dev_rows = [] if self.dev is None else read_rows(self.dev, self.text, self.label)
        if self.test is not None:
            test = read_rows(self.test, self.text, self.label)
        else:
            train_rows, test = stratified_split(train_rows, self.split or 0.0, by_group=self.group is not None)
        train, repeated = remove_texts_of(train_rows, [*test, *dev_rows])
        dev, repeated_dev = remove_texts_of(dev_rows, test)
        classes = tuple(sorted({row.label for row in train}))
        if len(classes) < 2:
            raise WrongInput(self._too_few_classes(classes, repeated))
        for path, rows in ((self.dev, dev_rows), (self.test or self.train, test)):
            for row in rows:
                if row.label not in classes:
                    line, near = row.place.rpartition(":")[2], nearest(row.label, classes)
                    raise WrongInput(f"{path}:{line}: no training row has the label {row.label!r}; {near}")
        facts: dict[str, Any] = {
            "files": {name: None if path is None else str(path) for name, path in self._files().items()},
            "train_rows_repeated_in_dev_or_test": repeated,
            "dev_rows_repeated_in_test": repeated_dev,
            "near_duplicates_between_splits": near_duplicates_between(train, dev, test),
        }
        assignment: tuple[tuple[str, str], ...] = ()
        if self.split is not None:
            facts["split"] = {"test": self.split, "stratified_by": self.label, "group": self.group}
            assignment = split_assignment(train_rows, train, test)
        return LabelledRows(train, dev, tuple(test), facts, assignment, classes)

    def _files(self) -> dict[str, Path | None]:
        return {"train": self.train, "dev": self.dev, "test": self.test}

    def _too_few_classes(self, classes: tuple[str, ...], repeated: int) -> str:
        found = f"the training rows have only the label {classes[0]!r}" if classes else "no training rows are left"
        if not repeated:
            return f"{self.train}: {found}; a task needs two classes"
        others = " and ".join(str(path) for path in (self.dev, self.test) if path is not None)
        return (
            f"{self.train}: {found} after removing {repeated} whose text is also in {others}; "
            "a task needs two classes of training rows that are in no other table"
        )


def split_assignment(
    candidates: Sequence[Row], train: Sequence[Row], test: Sequence[Row]
) -> tuple[tuple[str, str], ...]:
    """Return (file:line, split) of each row of a table that danlu has split, in the order of its lines.

    Args:
        candidates: all rows that are not test rows.
        train: the candidates that are used for training; the others were removed.
        test: the test rows.
    """
    kept = {row.place for row in train}
    pairs = [(row.place, "train" if row.place in kept else "removed") for row in candidates]
    pairs += [(row.place, "test") for row in test]
    return tuple(sorted(pairs, key=lambda pair: int(pair[0].rpartition(":")[2])))
