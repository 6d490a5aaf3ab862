"""Labelled rows: sampling, splits and removal of duplicates."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from danlu.errors import WrongInput
from danlu.tasks.task import TaskRows
from danlu.text.near_duplicates import near_duplicate_groups
from danlu.text.normal_form import normal_form, variant_key

THRESHOLD = 0.8
"""Minimum Jaccard similarity of the character 5-grams of near-duplicates."""


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text. Splits keep the rows of a group (a module, an author, a line of a file) together."""

    text: str
    label: str
    group: str
    place: str = field(default="", compare=False)  # "file:line"; "" if the row is not from a file


@dataclass(frozen=True)
class LabelledRows(TaskRows):
    """The rows of a classification task."""

    classes: tuple[str, ...] = ()  # the labels of the training rows, sorted

    def fingerprint(self) -> str:
        parts = [[(row.text, row.label, row.group) for row in part] for part in (self.train, self.dev, self.test)]
        return hashlib.sha256(json.dumps([self.classes, parts]).encode()).hexdigest()

    def describe(self) -> str:
        missing = sorted(set(self.classes) - {row.label for row in self.test})
        warning = f"; no test row has the label {', '.join(map(repr, missing))}" if missing else ""
        return f"{TaskRows.describe(self)}, {len(self.classes)} classes{self._removed()}{warning}"

    def _removed(self) -> str:
        """Return the number of training rows that were removed because a dev or test row has the same text."""
        removed = self.facts.get("train_rows_repeated_in_dev_or_test", 0)
        return f" ({removed:,} training rows with the text of another table removed)" if removed else ""


def _by_label(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Group rows by label, sorted by label."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.label].append(row)
    return dict(sorted(found.items()))


def _key(row: Row, seed: int) -> bytes:
    """Return a pseudo-random sort key that depends on the content of a row, not on its position."""
    return hashlib.blake2b(f"{seed}\0{row.group}\0{row.text}".encode(), digest_size=16).digest()


def few_labels(rows: Iterable[Row], per_class: int, seed: int) -> tuple[Row, ...]:
    """Sample `per_class` rows of each class, in random order.

    The sample depends on the set of rows and the seed, not on the order of the rows. A sample of 8 per class is a
    subset of the sample of 16 with the same seed.

    Raises:
        WrongInput: if a class has too few rows.
    """
    sample = []
    for label, class_rows in _by_label(rows).items():
        if len(class_rows) < per_class:
            raise WrongInput(
                f"{per_class} labels per class are asked for, but class {label!r} has {len(class_rows)} rows"
            )
        sample += sorted(class_rows, key=lambda row: _key(row, seed))[:per_class]
    return tuple(sorted(sample, key=lambda row: _key(row, seed)))


def remove_texts_of(rows: Sequence[Row], others: Iterable[Row]) -> tuple[tuple[Row, ...], int]:
    """Return the rows whose text does not occur in `others`, and the number of removed rows."""
    texts = {normal_form(row.text) for row in others}
    kept = tuple(row for row in rows if normal_form(row.text) not in texts)
    return kept, len(rows) - len(kept)


def remove_near_duplicates(rows: Sequence[Row], threshold: float = THRESHOLD) -> tuple[list[Row], int]:
    """Return the rows that are not near-duplicates of an earlier one, and the number of removed rows.

    Labels are ignored. Call it before a split, so that the two sides share no text. Similarity is that of
    `near_duplicate_groups`.
    """
    groups = near_duplicate_groups([row.text for row in rows], threshold)
    seen: set[int] = set()
    kept = []
    for row, group in zip(rows, groups.tolist(), strict=True):
        if group not in seen:
            seen.add(group)
            kept.append(row)
    return kept, len(rows) - len(kept)


def near_duplicates_between(train: Sequence[Row], dev: Sequence[Row], test: Sequence[Row]) -> dict[str, int]:
    """Count the rows of one split that are near-duplicates of a row of another split, for each pair of splits."""
    groups = near_duplicate_groups([row.text for row in (*train, *dev, *test)], THRESHOLD).tolist()
    of_train, rest = groups[: len(train)], groups[len(train) :]
    of_dev, of_test = rest[: len(dev)], rest[len(dev) :]

    def shared(rows: list[int], others: list[int]) -> int:
        known = set(others)
        return sum(group in known for group in rows)

    return {
        "test_in_train": shared(of_test, of_train),
        "test_in_dev": shared(of_test, of_dev),
        "dev_in_train": shared(of_dev, of_train),
    }


def stratified_split(rows: Sequence[Row], test_share: float, by_group: bool) -> tuple[list[Row], list[Row]]:
    """Split rows into (train, test), with about `test_share` of each class in test.

    The split depends on the set of rows only, not on their order.

    Args:
        rows: the rows to split.
        test_share: fraction of the rows of each class in test.
        by_group: whether the rows of a group stay together; otherwise rows with equal texts do, ignoring case and white
            space.

    Raises:
        WrongInput: if a class cannot be on both sides.
    """
    if by_group:
        return split_by_group(rows, test_share)
    return split_by_group(rows, test_share, key=_text_hash, unit="texts")


def _text_hash(row: Row) -> str:
    return variant_key(row.text).hex()


def split_by_group(
    rows: Sequence[Row],
    test_share: float,
    key: Callable[[Row], str] = lambda row: row.group,
    unit: str = "groups",
) -> tuple[list[Row], list[Row]]:
    """Split rows into (train, test), with every group on one side and about `test_share` of each class in test.

    Every class is on both sides. The split is deterministic: the groups of a class are assigned, from the largest, to
    the side that lacks the most rows of that class. Classes with few groups are assigned first.

    Args:
        rows: the rows to split.
        test_share: fraction of the rows of each class in test.
        key: returns the group of a row.
        unit: name of groups in error messages.

    Raises:
        WrongInput: if a class cannot be on both sides.
    """
    classes = _by_label(rows)
    groups = {label: Counter(key(row) for row in own) for label, own in classes.items()}
    in_test: dict[str, bool] = {}
    for label in sorted(classes, key=lambda name: (len(groups[name]), name)):
        sizes = groups[label]
        wanted = {True: test_share * sizes.total(), False: (1 - test_share) * sizes.total()}
        had = {in_test[group] for group in sizes if group in in_test}
        for group in sizes:
            if group in in_test:
                wanted[in_test[group]] -= sizes[group]
        free = sorted((group for group in sizes if group not in in_test), key=lambda name: (-sizes[name], name))
        for left, group in zip(range(len(free), 0, -1), free, strict=True):
            side = wanted[True] > wanted[False]
            if left == 1 and len(had) == 1:
                side = not had.pop()  # the last one must not leave a side empty
            had.add(side)
            in_test[group] = side
            wanted[side] -= sizes[group]
    for label, sizes in groups.items():
        if len({in_test[group] for group in sizes}) < 2:
            raise WrongInput(
                f"class {label!r} cannot be split: all of its {unit} (number: {len(sizes)}; rows: {sizes.total()}) "
                f"would be on one side; add rows from other {unit} or remove the class"
            )
    return [row for row in rows if not in_test[key(row)]], [row for row in rows if in_test[key(row)]]


def balance(rows: Iterable[Row], limit: int) -> tuple[Row, ...]:
    """Sample the same number of rows of each class: `limit`, or fewer if the smallest class has fewer."""
    listed = list(rows)
    smallest = min((len(class_rows) for class_rows in _by_label(listed).values()), default=0)
    return few_labels(listed, min(limit, smallest), seed=0)
