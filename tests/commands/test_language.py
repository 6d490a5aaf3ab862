"""The command line in English and Chinese: choice of the language, and equal message catalogues."""

from __future__ import annotations

import string
from typing import Any

import pytest

from danlu.console import language
from danlu.console.language import catalogue, choose, current, message


@pytest.fixture(autouse=True)
def no_language_chosen(monkeypatch):
    for name in ("DANLU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    choose()
    yield
    choose()


def entries(table: dict[str, Any], path: str = "") -> dict[str, str]:
    """{dotted key: text}"""
    found = {}
    for key, value in table.items():
        place = f"{path}.{key}" if path else key
        found |= entries(value, place) if isinstance(value, dict) else {place: value}
    return found


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_catalogues_have_the_same_messages():
    english, chinese = (entries(catalogue(name)) for name in ("en", "zh"))
    assert english.keys() == chinese.keys()
    assert {key: placeholders(text) for key, text in english.items()} == {
        key: placeholders(text) for key, text in chinese.items()
    }
    assert all(text.strip() for text in (*english.values(), *chinese.values()))


def test_language_precedence_is_option_variable_recipe_locale(monkeypatch):
    assert current() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert current() == "zh"
    choose(recipe="en")
    assert current() == "en"
    monkeypatch.setenv("DANLU_LANG", "zh")
    assert current() == "zh"
    choose(option="en", recipe="zh")
    assert current() == "en"


def test_messages_are_in_the_current_language():
    english = message("frame.interrupted")
    choose(option="zh")
    assert message("frame.interrupted") not in (english, "")
    assert language.current() == "zh"
