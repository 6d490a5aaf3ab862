"""The field of the text is found by its name, then by length and type."""

from __future__ import annotations

import pytest

from danlu.text.text_fields import choose_fields

LONG = "Nobody hurries the furnace, and nothing is lost in it."


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"id": "a1", "text": "short"}, "text"),
        ({"title": LONG, "body": "short"}, "body"),
        ({"编号": 1, "正文": "短句"}, "正文"),
        ({"Label": "good", " Review ": LONG}, " Review "),
        ({"text": 5, "other": LONG}, "other"),
        ({"url": "https://example.org/a/very/long/path/without/white/space", "phrase": LONG}, "phrase"),
        ({"date": "2026-12-01T00:00:00.000000", "文": "这一列是比较长的中文句子，没有空格。"}, "文"),
        ({"line": "brief"}, "line"),
        ({"a": "brief", "b": "short"}, None),
        ({"n": 1}, None),
        ({}, None),
    ],
)
def test_the_field_of_the_text(record, expected):
    choice = choose_fields([record] * 3)
    assert next(iter(choice.text), None) == expected
    assert choice.found == tuple(record)


def test_records_with_different_fields_are_all_read():
    choice = choose_fields([{"text": LONG}, {"body": LONG}])
    assert choice.text == ("text", "body")
    assert choice.others == ()


def test_further_texts_are_reported():
    choice = choose_fields([{"text": LONG, "summary": LONG, "id": "7"}])
    assert (choice.text, choice.others) == (("text",), ("summary",))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([str(i % 3) for i in range(60)], "grade"),
        (["good", "bad"] * 30, "grade"),
        ([str(i) for i in range(60)], None),
        (["same"] * 60, None),
    ],
)
def test_a_label_is_a_short_value_that_recurs(labels, expected):
    assert choose_fields([{"grade": label, "text": LONG} for label in labels]).label == expected


def test_a_label_by_its_name_needs_no_repetition():
    assert choose_fields([{"label": "x", "text": LONG}]).label == "label"
    assert choose_fields([{"label": "x", "n": 1}]).label is None
