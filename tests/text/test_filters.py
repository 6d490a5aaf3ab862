"""The effect of each filter on a text, and the counts in a corpus."""

from __future__ import annotations

import sys
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.registry import filters
from danlu.settings import Settings
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.documents import Rejected
from danlu.text.filters.filter import Filter

CHINESE = "丹炉把原始文本炼成语言模型，这是一句普通的中文；“引号”和（括号）都留着。"
ENGLISH = "The furnace turns raw text into a language model, and says what it was worth."


def clean(text, name, **options):
    return filters.validate({"name": name, **options}).build()(text)


CHANGED = [
    ("mojibake", "cafÃ© naÃ¯ve", "café naïve"),
    ("width", "ＡＢｃ１２，（好）！", "ABc12，（好）！"),
    ("spaces", "a  \r\n\r\n\r\n\r\n  b\u200b\x07\xa0c　\n", "a\n\n  b c"),
    ("simplified", "漢語語言模型", "汉语语言模型"),
    ("simplified", "軟體", "软体"),
    ("traditional", "汉语语言模型", "漢語語言模型"),
]
REJECTED = [
    ("short", "length", {"min": 10}, "length: fewer than 10 characters"),
    ("long enough", "length", {"max": 5}, "length: more than 5 characters"),
    ("menu\nmenu\nmenu\nother", "repetition", {}, "repetition: lines"),
    ("同样的话说了又说。" * 40, "repetition", {}, "repetition: characters"),
    ("Der Ofen macht aus rohem Text ein Sprachmodell.", "language", {}, "language: not en or zh"),
    (f"{ENGLISH * 3}\n{CHINESE * 5}", "language", {"keep": ["en"], "share": 0.9}, "language: not en"),
    ("1 2 3", "language", {}, "language: no letters"),
]


def test_every_registered_filter_has_a_case():
    assert {name for name, *_ in CHANGED} | {name for _, name, *_ in REJECTED} == set(filters)


@pytest.mark.parametrize(("name", "before", "after"), CHANGED)
def test_filters_rewrite_text_idempotently(name, before, after):
    assert clean(before, name) == after
    assert clean(after, name) == after


@pytest.mark.parametrize("name", ["mojibake", "width", "spaces", "simplified", "language", "length", "repetition"])
@pytest.mark.parametrize("text", [CHINESE, ENGLISH])
def test_ordinary_text_is_unchanged(name, text):
    assert clean(text, name) == text


@given(st.text())
def test_spaces_is_idempotent_and_keeps_letters_and_digits(text):
    once = clean(text, "spaces")
    assert clean(once, "spaces") == once
    assert "".join(c for c in once if c.isalnum()) == "".join(c for c in text if c.isalnum())


@pytest.mark.parametrize(("text", "name", "options", "reason"), REJECTED)
def test_filters_reject_text_with_a_reason(text, name, options, reason):
    result = clean(text, name, **options)
    assert isinstance(result, Rejected)
    assert result.reason == reason


def corpus(tmp_path, **more):
    lines = [f"{ENGLISH} {i}" for i in range(30)] + [f"{CHINESE} {i}１" for i in range(30)] + ["kurz"]
    (tmp_path / "a.txt").write_text("\n".join(lines), "utf-8")
    return build_corpus(CorpusSettings(source=str(tmp_path / "a.txt"), documents="line", **more))


def test_a_corpus_counts_the_effect_of_each_filter(tmp_path):
    plain = corpus(tmp_path)
    made = corpus(tmp_path, clean=["width", {"name": "length", "min": 10}], language_shares=True)
    assert plain.facts["clean"] == []
    assert "languages" not in plain.facts
    assert [(f["name"], f["changed"], f["rejected"]) for f in made.facts["clean"]] == [
        ("width", 30, 0),
        ("length", 0, 1),
    ]
    assert made.facts["documents"] == {"in": 61, "kept": 60, "rejected": {"length: fewer than 10 characters": 1}}
    assert set(made.facts["languages"]) >= {"en", "zh"}
    assert sum(made.facts["languages"].values()) == pytest.approx(1)
    assert made.folder != plain.folder
    assert corpus(tmp_path, clean=["width", {"name": "length", "min": 9}]).folder != made.folder


def test_wrong_names_and_missing_extras_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="did you mean 'width'"):
        CorpusSettings(source="x", clean=["widht"])
    monkeypatch.setitem(sys.modules, "ftfy", None)
    with pytest.raises(WrongInput, match=r"pip install .*\[clean\]'"):
        corpus(tmp_path, clean=["mojibake"])


def test_a_filter_must_derive_from_filter_and_implement_build():
    class NotAFilter(Settings):
        name: Literal["none"] = "none"

    class Unbuilt(Filter):
        name: Literal["none"] = "none"

    with pytest.raises(TypeError, match="must derive from Filter"):
        filters.register(NotAFilter)
    with pytest.raises(TypeError, match="abstract"):
        Unbuilt()
