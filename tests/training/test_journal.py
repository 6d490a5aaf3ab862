"""metrics.jsonl is continued without gaps or repetitions."""

from __future__ import annotations

import json
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.training.journal import Journal, read_journal

record = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5) | st.none(), max_size=3)


@given(st.lists(record, max_size=6), st.lists(record, max_size=6), st.lists(record, max_size=6))
def test_rewinding_and_writing_gives_a_consistent_journal(tmp_path_factory, kept, lost, again):
    path = tmp_path_factory.mktemp("journal") / "metrics.jsonl"
    journal = Journal(path)
    for r in kept:
        journal.write(r)
    position = journal.position()
    for r in lost:
        journal.write(r)
    journal.close()
    journal = Journal(path)
    journal.rewind(position)
    assert journal.position() == position
    for r in again:
        journal.write(r)
    journal.close()
    assert list(read_journal(path)) == kept + again


def test_an_incomplete_last_record_is_ignored(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "lo')
    assert list(read_journal(path)) == [{"step": 1}]


def test_positions_include_records_of_other_processes(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n')
    with closing(Journal(path)) as journal:
        assert journal.position() == 12


def test_nan_is_never_written(tmp_path):
    with closing(Journal(tmp_path / "metrics.jsonl")) as journal:
        with pytest.raises(ValueError, match="JSON"):
            journal.write({"loss": float("nan")})
        journal.write({"text": "炉"})
    assert json.loads((tmp_path / "metrics.jsonl").read_text("utf-8")) == {"text": "炉"}


def test_a_journal_that_lost_records_is_refused_and_unchanged(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with closing(Journal(path)) as journal:
        journal.write({"step": 1})
        position = journal.position()
    path.unlink()
    with closing(Journal(path)) as journal, pytest.raises(WrongInput, match="has 0 bytes, but 12 were written"):
        journal.rewind(position)
    assert path.read_bytes() == b""
