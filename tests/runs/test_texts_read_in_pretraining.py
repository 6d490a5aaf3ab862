"""Whether the texts of a task were in the corpus is reported only where it is known."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.runs.finetune_task import Finetuning, Pretrained
from danlu.tasks.rows import LabelledRows


@pytest.mark.parametrize(
    ("corpus", "rows", "expected"),
    [
        ("builtin:pydocs", "builtin:pydocs", True),
        (["builtin:pydocs", "notes.txt"], "builtin:pydocs", True),
        (["notes.txt", "more.txt"], "builtin:pydocs", False),
        ("notes.txt", None, None),  # a table of the user: unknown
        (None, "builtin:pydocs", None),
    ],
)
def test_overlap_of_corpus_and_task_texts(corpus, rows, expected):
    nothing: Any = None
    model = Pretrained(nothing, nothing, nothing, 0, corpus, nothing)
    facts = {} if rows is None else {"source": rows}
    table = LabelledRows((), (), (), facts)
    assert Finetuning(nothing, nothing, nothing, nothing, model, "part", nothing, table).read_before is expected
