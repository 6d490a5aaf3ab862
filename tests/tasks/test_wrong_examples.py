"""The wrong predictions that results.json and the report show."""

from danlu.tasks.classification import Classify
from danlu.tasks.rows import Row


def test_the_most_confident_errors_come_first_and_are_truncated():
    task = Classify.model_validate({"rows": "builtin:pydocs_parts"})
    rows = [Row(f"{i}\n{'word ' * 100}", "a" if i % 2 else "b", "") for i in range(50)]
    predictions = [{"a": 0.5 + i / 100, "b": 0.5 - i / 100} for i in range(50)]
    found = task.wrong_examples(rows, predictions)
    assert [example.text.split()[0] for example in found[:3]] == ["48", "46", "44"]
    assert len(found) == 20
    assert found[0].text.endswith("…")
    assert all(len(example.text) <= 200 and "\n" not in example.text for example in found)
    assert (found[0].expected, found[0].predicted, found[0].probability) == ("b", "a", 0.98)


def test_there_are_none_where_every_prediction_is_right():
    task = Classify.model_validate({"rows": "builtin:pydocs_parts"})
    assert task.wrong_examples([Row("a text", "a", "")], [{"a": 0.9, "b": 0.1}]) == []
