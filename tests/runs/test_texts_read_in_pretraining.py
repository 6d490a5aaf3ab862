"""Whether a task's texts were in the corpus is said where it is known, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from danlu.runs.finetune_task import Finetuning, Pretrained
from danlu.tasks.rows import LabelledRows


@pytest.mark.parametrize(
    ("corpus", "rows", "said"),
    [
        ("builtin:pydocs", "builtin:pydocs", True),
        (["builtin:pydocs", "notes.txt"], "builtin:pydocs", True),
        (["notes.txt", "more.txt"], "builtin:pydocs", False),
        ("notes.txt", None, None),  # a table of one's own: it may have been read or not
        (None, "builtin:pydocs", None),
    ],
)
def test_a_source_among_others_has_been_read_too(corpus, rows, said):
    nothing: Any = None
    model = Pretrained(nothing, nothing, nothing, 0, corpus, nothing)
    facts = {} if rows is None else {"source": rows}
    table = LabelledRows((), (), (), facts)
    assert Finetuning(nothing, nothing, nothing, nothing, model, "part", nothing, table).read_before is said
