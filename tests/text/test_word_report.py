"""Counts of scripts, words and sizes of a corpus."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text import word_report as module
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.word_report import quantiles, report_texts, word_report


def test_scripts_words_and_sizes_are_counted():
    facts = report_texts(["The cat. The cat's 12 ＡＢ", "我们的模型。我们的炉"], top=2)
    assert facts["documents"] == 2
    assert facts["characters"] == 34
    assert facts["bytes"] == len("The cat. The cat's 12 ＡＢ我们的模型。我们的炉".encode())
    assert facts["characters_per_document"]["0"] == 10
    assert facts["characters_per_document"]["1"] == 24
    assert facts["scripts"] == pytest.approx({"Latin": 15 / 24, "Han": 9 / 24})
    assert facts["english"]["words"] == 4
    assert facts["english"]["stop_word_share"] == 0.5
    assert facts["english"]["most_frequent"] == [["the", 2], ["cat", 1]]
    assert facts["english"]["most_frequent_content"] == [["cat", 1], ["cat's", 1]]
    json.dumps(facts)


def test_chinese_is_counted_by_words():
    pytest.importorskip("rjieba")
    facts = report_texts(["我们的模型在学习语言"])["chinese"]
    assert facts["unit"] == "word (rjieba)"
    assert [word for word, _ in facts["most_frequent_content"]] == ["学习", "模型", "语言"]
    assert facts["stop_word_share"] == 0.5  # 我们 的 在


def test_chinese_without_the_extra_is_counted_by_characters(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "rjieba" else find(name))
    facts = report_texts(["模型 模"])["chinese"]
    assert facts["unit"] == "character (for words: pip install 'danlu[zh]')"
    assert facts["most_frequent"] == [["模", 2], ["型", 1]]


def test_an_empty_corpus_has_zero_counts():
    facts = report_texts([])
    assert facts["documents"] == facts["bytes"] == 0
    assert facts["scripts"] == facts["characters_per_document"] == {}
    assert facts["english"]["stop_word_share"] is None


def test_many_different_words_are_bounded_and_marked_inexact(monkeypatch):
    monkeypatch.setattr(module, "MAX_WORDS", 10)
    texts = [f"often {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(40)]
    facts = report_texts(texts)["english"]
    assert facts["exact"] is False
    assert facts["different"] <= 10
    assert facts["words"] == 80
    assert facts["most_frequent"][0] == ["often", 40]


@given(st.lists(st.integers(0, 50), min_size=1))
def test_quantiles_are_elements_of_the_list(numbers):
    found = quantiles(Counter(numbers))
    ordered = sorted(numbers)
    assert found["0"] == ordered[0]
    assert found["1"] == ordered[-1]
    assert found["0.5"] == ordered[len(ordered) // 2]


def test_the_report_of_a_corpus_covers_all_splits(tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(f"a line of text that is long enough, number {i}" for i in range(40)))
    corpus = build_corpus(CorpusSettings(source=str(tmp_path / "a.txt")))
    facts = word_report(corpus)
    assert facts["documents"] == corpus.facts["documents"]["kept"] == 40
    assert facts["bytes"] == sum(split["bytes"] for split in corpus.facts["splits"].values())
    assert facts["english"]["most_frequent"][0][1] == 40
