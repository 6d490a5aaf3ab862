"""Which package of the standard library is a docstring from? A task that comes with every Python.

The texts are also in the corpus `builtin:pydocs`: a model that was pre-trained on it has read them, without labels.
The report says so. It is also the usual situation of someone who pre-trains on their own documents.
"""

from __future__ import annotations

import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from danlu.errors import WrongInput
from danlu.tasks.rows import LabelledRows, Row, balanced, split_by_group, without_near_duplicates
from danlu.text.pydocs import docstrings

SHORTEST = 40
"""Characters. Shorter docstrings ("Return the value.") could be from any package."""

CLASSES = 8
ROWS = 100
ROWS_OUTSIDE_LARGEST = 50
"""A class needs `ROWS` rows, and this many outside its largest module, so that a split by module leaves enough rows on
both sides."""

TEST_SHARE = 0.4
TEST_ROWS = 60
"""Most test rows of each class."""


def choose_parts(rows: Iterable[Row]) -> tuple[str, ...]:
    """Choose the classes: at most `CLASSES` packages, those with the most rows outside their largest module.

    It is a rule instead of a list of names because packages come and go (distutils was removed in 3.12).

    Raises:
        WrongInput: if fewer than two packages are large enough.
    """
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        modules[row.label][row.group] += 1
    outside = {label: sizes.total() - max(sizes.values()) for label, sizes in modules.items()}
    fit = [p for p, sizes in modules.items() if sizes.total() >= ROWS and outside[p] >= ROWS_OUTSIDE_LARGEST]
    if len(fit) < 2:
        raise WrongInput(
            f"pydocs_parts needs two packages with {ROWS} docstrings each, this Python {platform.python_version()} "
            f"has {len(fit)}; use a Python installed with its whole standard library"
        )
    return tuple(sorted(sorted(fit, key=lambda p: (-outside[p], p))[:CLASSES]))


def names_itself(rows: Sequence[Row]) -> float:
    """Return the share of texts that contain the name of their own label as a word, in upper or lower case."""
    hits = sum(bool(re.search(rf"\b{re.escape(row.label)}\b", row.text, re.IGNORECASE)) for row in rows)
    return hits / len(rows) if rows else 0.0


def _facts(train: Sequence[Row], test: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return {class: number of modules and rows, and the share of texts that name the class}."""
    table = {}
    for label in classes:
        ours, held = ([row for row in rows if row.label == label] for rows in (train, test))
        table[label] = {
            "train_modules": len({row.group for row in ours}),
            "test_modules": len({row.group for row in held}),
            "train_rows": len(ours),
            "test_rows": len(held),
            "names_itself": names_itself([*ours, *held]),
        }
    return table


def pydocs_parts() -> LabelledRows:
    """Return docstrings of at least 40 characters, without near-duplicates, split by module; no dev rows.

    The rows depend only on the Python version; test rows are balanced. Takes a few seconds.
    """
    found = [
        Row(docstring.text, docstring.module.partition(".")[0], docstring.module)
        for docstring in docstrings()
        if len(docstring.text) >= SHORTEST
    ]
    rows, duplicates = without_near_duplicates(found)
    classes = choose_parts(rows)
    train, held = split_by_group([row for row in rows if row.label in classes], TEST_SHARE)
    test = balanced(held, TEST_ROWS)
    facts = {
        "source": "builtin:pydocs",
        "python": platform.python_version(),
        "docstrings": len(found),
        "near_duplicates_removed": duplicates,
        "near_duplicates_rule": "Of docstrings whose character 5-grams overlap by 0.8 (Jaccard) or more one was kept, "
        "before the split by module.",
        "names_itself": names_itself(test),
        "classes": _facts(train, test, classes),
    }
    return LabelledRows(tuple(train), (), test, facts, classes=classes)
