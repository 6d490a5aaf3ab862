from collections import Counter

import pytest

from danlu.errors import WrongInput
from danlu.tasks import pydocs_parts as parts
from danlu.tasks.rows import Row


def package(name, sizes):
    return [Row(f"{name} {m} {i}", name, f"{name}.m{m}") for m, size in enumerate(sizes) for i in range(size)]


def test_parts_are_chosen_by_their_rows_outside_the_largest_module():
    rows = [
        *package("wide", [40, 40, 40]),
        *package("one_large", [500, 60]),
        *package("single", [300]),  # one module cannot be split
        *package("small", [30, 30]),
        *package("tail", [400, 20]),  # too little outside the largest module
    ]
    assert parts.choose_parts(rows) == ("one_large", "wide")


def test_the_eight_parts_with_most_rows_outside_the_largest_module_are_chosen():
    rows = [row for i in range(12) for row in package(f"p{i:02}", [60, 60 + i])]
    assert parts.choose_parts(rows) == tuple(f"p{i:02}" for i in range(8))
    rows += package("broad", [50] * 5)
    assert "broad" in parts.choose_parts(rows)


def test_a_library_without_large_packages_is_refused_in_one_line():
    with pytest.raises(WrongInput, match=r"has 1; use a Python installed with its whole standard library$") as caught:
        parts.choose_parts(package("wide", [60, 60]))
    assert "\n" not in str(caught.value)


def test_names_itself_counts_whole_words_in_any_case():
    texts = ["Parse XML.", "an xmlrpc call", "xml", "nothing"]
    assert parts.share_naming_label([Row(t, "xml", "m") for t in texts]) == 0.5
    assert parts.share_naming_label([]) == 0.0


@pytest.mark.slow
def test_rows_of_the_installed_python():
    task = parts.pydocs_parts()
    assert 2 <= len(task.classes) <= parts.MAX_CLASSES
    assert not {row.group for row in task.train} & {row.group for row in task.test}
    assert not {row.text for row in task.train} & {row.text for row in task.test}
    assert {row.label for row in task.train} == {row.label for row in task.test} == set(task.classes)
    assert len(set(Counter(row.label for row in task.test).values())) == 1
    assert min(Counter(row.label for row in task.train).values()) >= 32
    assert all(len(row.text) >= parts.MIN_CHARACTERS and row.group.startswith(row.label) for row in task.train)
    assert task.facts["near_duplicates_removed"] > 0
    assert set(task.facts["classes"]) == set(task.classes)
    assert task == parts.pydocs_parts()
