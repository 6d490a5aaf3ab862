"""A built-in task: predict the package of the standard library from a docstring.

The texts are also in the corpus `builtin:pydocs`, so a model that was pre-trained on it has read them without labels,
as is usual when one pre-trains on one's own documents. The report mentions this.
"""

from __future__ import annotations

import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from danlu.errors import WrongInput
from danlu.tasks.rows import LabelledRows, Row, balance, remove_near_duplicates, split_by_group
from danlu.text.pydocs import docstrings

MIN_CHARACTERS = 40
"""Minimum length of a docstring. Shorter ones ("Return the value.") could be from any package."""

MAX_CLASSES = 8
MIN_ROWS = 100
"""Minimum number of rows of a class."""

MIN_ROWS_OUTSIDE_LARGEST = 50
"""Minimum number of rows outside of a class's largest module, so that both sides of a split by module have enough."""

TEST_SHARE = 0.4
MAX_TEST_ROWS = 60
"""Maximum number of test rows per class."""


def choose_parts(rows: Iterable[Row]) -> tuple[str, ...]:
    """Choose the classes: the `MAX_CLASSES` packages with the most rows outside of their largest module.

    A rule is used instead of a list of names because packages are added and removed (distutils was removed in 3.12).

    Raises:
        WrongInput: if fewer than two packages are large enough.
    """
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        modules[row.label][row.group] += 1
    outside = {label: sizes.total() - max(sizes.values()) for label, sizes in modules.items()}
    fit = [p for p, sizes in modules.items() if sizes.total() >= MIN_ROWS and outside[p] >= MIN_ROWS_OUTSIDE_LARGEST]
    if len(fit) < 2:
        raise WrongInput(
            f"pydocs_parts needs two packages with {MIN_ROWS} docstrings each, this Python {platform.python_version()} "
            f"has {len(fit)}; use a Python installed with its whole standard library"
        )
    return tuple(sorted(sorted(fit, key=lambda p: (-outside[p], p))[:MAX_CLASSES]))


def share_naming_label(rows: Sequence[Row]) -> float:
    """Return the share of texts that contain the name of their label as a word, ignoring case."""
    hits = sum(bool(re.search(rf"\b{re.escape(row.label)}\b", row.text, re.IGNORECASE)) for row in rows)
    return hits / len(rows) if rows else 0.0


def _facts(train: Sequence[Row], test: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return {class: number of modules and rows, and the share of texts that name the class}."""
    table = {}
    for label in classes:
        train_rows, test_rows = ([row for row in rows if row.label == label] for rows in (train, test))
        table[label] = {
            "train_modules": len({row.group for row in train_rows}),
            "test_modules": len({row.group for row in test_rows}),
            "train_rows": len(train_rows),
            "test_rows": len(test_rows),
            "names_itself": share_naming_label([*train_rows, *test_rows]),
        }
    return table


def pydocs_parts() -> LabelledRows:
    """Return the docstrings of the largest packages without near-duplicates, split by module; no dev rows.

    The rows depend only on the Python version. The classes of the test rows are balanced. The call takes a few seconds.
    """
    all_rows = [
        Row(docstring.text, docstring.module.partition(".")[0], docstring.module)
        for docstring in docstrings()
        if len(docstring.text) >= MIN_CHARACTERS
    ]
    rows, duplicates = remove_near_duplicates(all_rows)
    classes = choose_parts(rows)
    train, held_out = split_by_group([row for row in rows if row.label in classes], TEST_SHARE)
    test = balance(held_out, MAX_TEST_ROWS)
    facts = {
        "source": "builtin:pydocs",
        "python": platform.python_version(),
        "docstrings": len(all_rows),
        "near_duplicates_removed": duplicates,
        "near_duplicates_rule": "Before the split by module, one of several docstrings was kept if the Jaccard "
        "similarity of their character 5-grams is 0.8 or more.",
        "names_itself": share_naming_label(test),
        "classes": _facts(train, test, classes),
    }
    return LabelledRows(tuple(train), (), test, facts, classes=classes)
