"""Labelled rows: what a classification task learns from and is tested on, and how rows are drawn and split."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from danlu.errors import WrongInput
from danlu.text.near_duplicates import near_duplicate_groups


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text. Rows of one group (a module, an author, a line of a file) are never split."""

    text: str
    label: str
    group: str


@dataclass(frozen=True)
class LabelledRows:
    """The rows of a task. `classes` are the labels of the training rows, sorted; `facts` is what a report should say
    about the rows (numbers, JSON)."""

    train: tuple[Row, ...]
    dev: tuple[Row, ...]
    test: tuple[Row, ...]
    classes: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


def _by_label(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """{label: its rows}, sorted by label."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.label].append(row)
    return dict(sorted(found.items()))


def _key(row: Row, seed: int) -> bytes:
    """Orders rows at random, by what they are and not by where they stand."""
    return hashlib.blake2b(f"{seed}\0{row.group}\0{row.text}".encode(), digest_size=16).digest()


def few_labels(rows: Iterable[Row], per_class: int, seed: int) -> tuple[Row, ...]:
    """`per_class` rows of each class, in random order; another draw for each seed.

    A function of the set of rows: their order does not matter, and a draw of 8 is part of the draw of 16. WrongInput
    when a class has too few rows.
    """
    drawn = []
    for label, own in _by_label(rows).items():
        if len(own) < per_class:
            raise WrongInput(f"{per_class} labels per class are asked for, but class {label!r} has {len(own)} rows")
        drawn += sorted(own, key=lambda row: _key(row, seed))[:per_class]
    return tuple(sorted(drawn, key=lambda row: _key(row, seed)))


def without_near_duplicates(rows: Sequence[Row], threshold: float = 0.8) -> tuple[list[Row], int]:
    """The rows without those too similar to an earlier one, and how many were left out.

    Do this before any split: the two sides of a split must not share a text, nor a row count double. Similarity is
    that of `near_duplicate_groups`, whatever the labels.
    """
    groups = near_duplicate_groups([row.text for row in rows], threshold)
    seen: set[int] = set()
    kept = []
    for row, group in zip(rows, groups.tolist(), strict=True):
        if group not in seen:
            seen.add(group)
            kept.append(row)
    return kept, len(rows) - len(kept)


def split_by_group(rows: Sequence[Row], test_share: float) -> tuple[list[Row], list[Row]]:
    """(train, test) with every group on one side, every class on both, and about `test_share` of each class in test.

    No chance in it: the groups of a class go, largest first, to the side that lacks most rows of that class; classes
    with few groups choose first. WrongInput names a class that cannot be on both sides.
    """
    classes = _by_label(rows)
    groups = {label: Counter(row.group for row in own) for label, own in classes.items()}
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
                f"class {label!r} cannot be on both sides of a split: its {sizes.total()} rows come from {len(sizes)} "
                f"groups, all on one side; give it more groups or leave it out"
            )
    return [row for row in rows if not in_test[row.group]], [row for row in rows if in_test[row.group]]


def balanced(rows: Iterable[Row], at_most: int) -> tuple[Row, ...]:
    """The same number of rows of each class: `at_most`, or as many as the smallest class has."""
    listed = list(rows)
    smallest = min((len(own) for own in _by_label(listed).values()), default=0)
    return few_labels(listed, min(at_most, smallest), seed=0)
