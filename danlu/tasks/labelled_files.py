"""The rows of a classification task from tables: files for each split, or one table that is split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from danlu.errors import WrongInput, nearest
from danlu.settings import Settings
from danlu.tasks.label_tables import read_rows
from danlu.tasks.rows import LabelledRows, Row, near_duplicates_between, stratified_split, without_texts_of


class LabelledFiles(Settings):
    """Tables with a header row (.tsv or .csv, also compressed: .gz, .zst), and the columns to read.

    Test rows stay as they are. Training and dev rows that repeat the text of a test row, and training rows that repeat
    the text of a dev row, are removed and counted; texts that differ only in white space and case are the same.
    """

    train: Path = Field(description="Rows to train on; with `split` also those to test on.")
    test: Path | None = Field(None, description="Rows to test on.")
    dev: Path | None = Field(None, description="Rows to choose the learning rate and the number of steps by.")
    split: float | None = Field(
        None, gt=0, lt=1, description="Fraction of the rows of `train` to test on, of each class; instead of `test`."
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
            raise ValueError("group is only used by split; give split, or leave group out")
        return self

    def read(self) -> LabelledRows:
        """Read and check all rows.

        Raises:
            WrongInput: with the file and line of what is wrong, such as a label that no training row has.
        """
        found = read_rows(self.train, self.text, self.label, self.group)
        developed = [] if self.dev is None else read_rows(self.dev, self.text, self.label)
        if self.test is not None:
            held = read_rows(self.test, self.text, self.label)
        else:
            found, held = stratified_split(found, self.split or 0.0, by_group=self.group is not None)
        learned, repeated = without_texts_of(found, [*held, *developed])
        tuned, repeated_dev = without_texts_of(developed, held)
        classes = tuple(sorted({row.label for row in learned}))
        if len(classes) < 2:
            raise WrongInput(self._too_few_classes(classes, repeated))
        for path, rows in ((self.dev, developed), (self.test or self.train, held)):
            for row in rows:
                if row.label not in classes:
                    line, near = row.place.rpartition(":")[2], nearest(row.label, classes)
                    raise WrongInput(f"{path}:{line}: no training row has the label {row.label!r}; {near}")
        facts: dict[str, Any] = {
            "files": {name: None if path is None else str(path) for name, path in self._files().items()},
            "train_rows_repeated_in_dev_or_test": repeated,
            "dev_rows_repeated_in_test": repeated_dev,
            "near_duplicates_between_splits": near_duplicates_between(learned, tuned, held),
        }
        assignment: tuple[tuple[str, str], ...] = ()
        if self.split is not None:
            facts["split"] = {"test": self.split, "stratified_by": self.label, "group": self.group}
            assignment = assigned(found, learned, held)
        return LabelledRows(learned, tuned, tuple(held), facts, assignment, classes)

    def _files(self) -> dict[str, Path | None]:
        return {"train": self.train, "dev": self.dev, "test": self.test}

    def _too_few_classes(self, classes: tuple[str, ...], repeated: int) -> str:
        found = f"the training rows have only the label {classes[0]!r}" if classes else "no training row is left"
        if not repeated:
            return f"{self.train}: {found}; a task needs two classes"
        others = " and ".join(str(path) for path in (self.dev, self.test) if path is not None)
        return (
            f"{self.train}: {found}, after {repeated} training rows were removed because {others} repeats their texts; "
            "a task needs two classes of training rows that are in no other table"
        )


def assigned(found: Sequence[Row], learned: Sequence[Row], held: Sequence[Row]) -> tuple[tuple[str, str], ...]:
    """Return (file:line, split) of each row of a table that was split, in the order of its lines.

    `found` are the rows that are not for testing, `learned` those of them that are trained on.
    """
    kept = {row.place for row in learned}
    pairs = [(row.place, "train" if row.place in kept else "removed") for row in found]
    pairs += [(row.place, "test") for row in held]
    return tuple(sorted(pairs, key=lambda pair: int(pair[0].rpartition(":")[2])))
