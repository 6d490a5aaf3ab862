"""Which part of the standard library does a docstring come from? A task that every Python has on board.

The texts also stand in the corpus `builtin:pydocs`: a model that was pre-trained on it has read them, without
labels. That is part of what pre-training means for one's own documents, and has to be said beside the result.
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
"""Characters: shorter docstrings ("Return the value.") could stand anywhere."""

CLASSES = 8
ROWS = 100
ROWS_BESIDE_LARGEST = 50
"""A class needs `ROWS` rows, and this many outside its largest module, so a split by module leaves enough of both."""

TEST_SHARE = 0.4
TEST_ROWS = 60
"""Test rows of each class, at most."""


def choose_parts(rows: Iterable[Row]) -> tuple[str, ...]:
    """The classes: at most `CLASSES` packages, those with the most rows outside their largest module.

    A rule and not a list of names, for packages come and go (distutils left with 3.12). WrongInput when fewer than
    two packages are large enough.
    """
    modules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        modules[row.label][row.group] += 1
    beside = {label: sizes.total() - max(sizes.values()) for label, sizes in modules.items()}
    fit = [p for p, sizes in modules.items() if sizes.total() >= ROWS and beside[p] >= ROWS_BESIDE_LARGEST]
    if len(fit) < 2:
        raise WrongInput(
            f"pydocs_parts needs two packages with {ROWS} docstrings each, this Python {platform.python_version()} "
            f"has {len(fit)}; use a Python installed with its whole standard library"
        )
    return tuple(sorted(sorted(fit, key=lambda p: (-beside[p], p))[:CLASSES]))


def names_itself(rows: Sequence[Row]) -> float:
    """The share of texts in which the name of their own label occurs as a word, upper or lower case."""
    hits = sum(bool(re.search(rf"\b{re.escape(row.label)}\b", row.text, re.IGNORECASE)) for row in rows)
    return hits / len(rows) if rows else 0.0


def _facts(train: Sequence[Row], test: Sequence[Row], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """{class: modules, rows and the share of texts that name the class}."""
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
    """Docstrings of at least 40 characters, without near-duplicates, split by module; no development rows.

    The rows depend on the Python version alone; test rows are balanced. Takes a few seconds.
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
    return LabelledRows(tuple(train), (), test, classes, facts)
