from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.tasks.rows import Row, balance, few_labels, remove_near_duplicates, split_by_group

LABELS = ("红", "b", "c")


def rows(counts):
    """{label: [rows of group 0, rows of group 1, ...]}; a group belongs to one class."""
    return [
        Row(f"{label} text {g} {i}", label, f"{label}{g}")
        for label, sizes in counts.items()
        for g, size in enumerate(sizes)
        for i in range(size)
    ]


sizes = st.lists(st.integers(1, 12), min_size=2, max_size=7)
tables = st.fixed_dictionaries(dict.fromkeys(LABELS, sizes)).map(rows)


@settings(deadline=None)
@given(tables, st.integers(1, 2), st.integers(0, 5), st.randoms())
def test_a_draw_is_balanced_reproducible_and_independent_of_order(table, per_class, seed, chance):
    drawn = few_labels(table, per_class, seed)
    assert Counter(row.label for row in drawn) == dict.fromkeys(LABELS, per_class)
    assert set(drawn) <= set(table)
    assert len(set(drawn)) == len(drawn)
    mixed = list(table)
    chance.shuffle(mixed)
    assert few_labels(mixed, per_class, seed) == drawn


@given(tables, st.integers(0, 5))
def test_a_small_draw_is_a_subset_of_a_larger_one(table, seed):
    assert set(few_labels(table, 1, seed)) <= set(few_labels(table, 2, seed))


def test_seeds_give_different_draws_and_every_row_is_drawn():
    table = rows({"a": [10], "b": [10]})
    draws = [few_labels(table, 4, seed) for seed in range(60)]
    assert len(set(draws)) == 60
    times = Counter(row for draw in draws for row in draw)
    assert len(times) == 20
    assert max(times.values()) < 60 * 0.4 * 1.7


def test_a_draw_is_not_sorted_by_class():
    labels = [row.label for row in few_labels(rows({"a": [20], "b": [20]}), 20, 1)]
    assert labels != sorted(labels)
    assert labels != sorted(labels, reverse=True)


def test_too_few_rows_are_refused_with_the_class():
    with pytest.raises(WrongInput, match=r"^8 labels per class are asked for, but class '红' has 3 rows$"):
        few_labels(rows({"b": [9], "红": [3]}), 8, 0)


@settings(deadline=None)
@given(tables, st.floats(0.05, 0.95))
def test_groups_are_not_split_and_classes_are_on_both_sides(table, share):
    train, test = split_by_group(table, share)
    assert sorted([*train, *test], key=repr) == sorted(table, key=repr)
    assert not {row.group for row in train} & {row.group for row in test}
    assert {row.label for row in train} == {row.label for row in test} == set(LABELS)
    assert split_by_group(table[::-1], share) == (train[::-1], test[::-1])


@given(st.lists(st.integers(1, 12), min_size=8, max_size=30), st.floats(0.2, 0.8))
def test_the_share_is_met_up_to_one_group(groups, share):
    _, test = split_by_group(rows({"a": groups}), share)
    assert abs(len(test) - share * sum(groups)) <= max(groups)


def test_groups_of_several_classes_are_not_split():
    table = [Row(f"{g} {label}", label, g) for g in "pqrs" for label in ("a", "b")]
    train, test = split_by_group(table, 0.5)
    assert len(train) == len(test) == 4
    assert not {row.group for row in train} & {row.group for row in test}


def test_a_class_of_one_group_cannot_be_split():
    with pytest.raises(WrongInput, match=r"^class 'b' cannot be split: all of its groups \(number: 1; rows: 4\)"):
        split_by_group(rows({"a": [3, 3], "b": [4]}), 0.4)


def test_the_first_of_near_duplicates_is_kept():
    text = "丹炉把生文本炼成语言模型，并且诚实地说明预训练值多少。" * 3
    table = [
        Row(text, "红", "1"),
        Row("an entirely different text about zstd", "b", "2"),
        Row(text + "！", "b", "3"),
        Row(text, "c", "4"),
    ]
    assert remove_near_duplicates(table) == (table[:2], 2)


@given(tables, st.integers(1, 30))
def test_balanced_rows_have_equal_class_counts(table, at_most):
    smallest = min(Counter(row.label for row in table).values())
    found = Counter(row.label for row in balance(table, at_most))
    assert found == dict.fromkeys(LABELS, min(at_most, smallest))


def test_no_rows_balance_to_no_rows():
    assert balance([], 5) == ()
