from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.scripts import OTHER, script_of, script_shares


@pytest.mark.parametrize(
    ("character", "script"),
    [("a", "Latin"), ("é", "Latin"), ("中", "Han"), ("𠀀", "Han"), ("〆", "Han"), ("か", "Hiragana"), ("Ж", "Cyrillic"),
     ("한", "Hangul"), ("7", None), ("。", None), (" ", None), ("😀", None)],
)  # fmt: skip
def test_script_of_a_character(character, script):
    assert script_of(character) == script


def test_shares_count_only_letters_and_are_sorted():
    assert script_shares(["ab, 1", "中国 cd!"]) == {"Latin": 4 / 6, "Han": 2 / 6}
    assert list(script_shares(["中国中国 ab"])) == ["Han", "Latin"]
    assert script_shares(["12 ...", ""]) == {}


def test_rare_scripts_are_counted_together():
    assert script_shares(["a" * 998 + "Жか"]) == {"Latin": 0.998, OTHER: 0.002}


@given(st.lists(st.text()))
def test_shares_add_up_to_one(texts):
    shares = script_shares(texts)
    assert sum(shares.values()) == (pytest.approx(1) if any(c.isalpha() for t in texts for c in t) else 0)
