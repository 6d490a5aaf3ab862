"""The report of a tokenizer: figures by script, round trips, coverage and use of the vocabulary."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.registry import tokenizers
from danlu.tokens.report import SHOWN, character_class, report, token_texts

TEXTS = [
    "The furnace number 71 refines the pill, (slowly).",
    "第七炉丹药要慢火烧，急了就坏了。",
    "Печь горит 3 дня.",
] * 3
KINDS = {
    "byte_bpe": {"size": 400},
    "byte": {},
    "character": {"size": 400},
    "wordpiece": {"size": 80},
    "unigram": {"size": 330},
}


@cache
def trained(kind):
    return tokenizers.validate({"name": kind} | KINDS[kind]).train(TEXTS)


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        ("aéＡ", "Latin"),
        ("丹㐀", "Han"),
        ("ж", "Cyrillic"),
        ("3３½²", "digits"),
        (",，。$+“", "punctuation"),
        (" \n\u3000", "space"),
        ("\u0301\u200b", "other"),
    ],
)
def test_character_classes(characters, expected):
    assert {character_class(c) for c in characters} == {expected}


@pytest.mark.parametrize("kind", KINDS)
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=4))
def test_every_token_and_every_byte_is_counted_once(kind, texts):
    tokenizer = trained(kind)
    found = report(tokenizer, texts)
    tokens = sum(len(tokenizer.encode(text)) for text in texts)
    assert found["tokens"] == tokens == sum(part["tokens"] for part in found["by_script"].values())
    assert found["texts"] == len(texts)
    read = [text for text in texts if len(tokenizer.encode(text))]  # texts without tokens are not counted by script
    for unit, measure in (("characters", len), ("bytes", lambda text: len(text.encode()))):
        assert found[unit] == sum(map(measure, texts))
        assert sum(part[unit] for part in found["by_script"].values()) == sum(map(measure, read))
    assert found["round_trip"] == all(tokenizer.decode(tokenizer.encode(text)) == text for text in texts)
    json.dumps(found)


def test_figures_by_script():
    found = report(trained("byte"), ["ab 12, 丹炉。"])
    assert {name: part["tokens"] for name, part in found["by_script"].items()} == {
        "Han": 6, "punctuation": 4, "Latin": 2, "digits": 2, "space": 2,
    }  # fmt: skip
    assert found["by_script"]["Han"]["bytes_per_token"] == 1.0
    assert found["by_script"]["Han"]["characters_per_token"] == pytest.approx(1 / 3)
    assert found["byte_share"] == 9 / 16
    whole = report(trained("character"), ["龙凤" * 5])
    assert whole["by_script"]["Han"]["bytes_per_token"] == 1.0  # unseen characters become bytes
    seen = report(trained("character"), ["第七炉" * 5])
    assert seen["by_script"]["Han"] == {
        "tokens": 15, "characters": 15, "bytes": 45, "bytes_per_token": 3.0, "characters_per_token": 1.0,
    }  # fmt: skip
    assert (seen["byte_share"], seen["unknown_share"]) == (0.0, 0.0)


def test_a_space_belongs_to_the_following_word():
    found = report(trained("byte_bpe"), ["the furnace the furnace"])
    assert set(found["by_script"]) == {"Latin"}


def test_rare_scripts_are_counted_together():
    found = report(trained("byte"), ["a" * 1000 + "жξ"])
    assert set(found["by_script"]) == {"Latin", "other"}
    assert found["by_script"]["other"]["tokens"] == 4


def test_coverage_and_vocabulary_use():
    tokenizer = trained("wordpiece")
    found = report(tokenizer, ["the furnace 🔥 ☃"])
    assert found["unknown_share"] == 2 / found["tokens"]
    assert found["round_trip_share"] == 0.0
    ids = set(tokenizer.encode("the furnace").tolist())
    assert found["vocabulary_used"] == len(ids) / (tokenizer.vocabulary.size - len(tokenizer.vocabulary.special))
    assert report(trained("unigram"), ["🔥"])["byte_share"] > 0.5
    half = report(trained("byte_bpe"), ["the furnace", "第七炉", "🔥"])
    assert half["round_trip_share"] == 1.0
    assert half["byte_share"] > 0


def test_longest_and_most_frequent_tokens():
    tokenizer = trained("byte_bpe")
    texts = ["the furnace the furnace refines"] * 2
    found = report(tokenizer, texts)
    times = np.bincount(np.concatenate([tokenizer.encode(text) for text in texts]))
    assert found["frequent"][0]["times"] == times.max()
    assert [t["times"] for t in found["frequent"]] == sorted((t["times"] for t in found["frequent"]), reverse=True)
    longest = [len(t["token"]) for t in found["longest"]]
    assert longest == sorted(longest, reverse=True)
    assert longest[0] == max(len(tokenizer.token(i)) for i in np.flatnonzero(times))
    assert len(longest) == min(SHOWN, np.count_nonzero(times))


def test_token_texts_concatenate_to_the_text():
    assert list(token_texts("abcd", np.array([0, 0, 2]))) == [(2, "ab"), (1, "cd")]
    assert list(token_texts("  ab", np.array([2, 3]))) == [(1, "  a"), (1, "b")]
    assert list(token_texts("  ", np.array([], np.int64))) == []


def test_figures_without_text_are_null():
    found = report(trained("byte"), [])
    assert (found["bytes_per_token"], found["round_trip_share"], found["byte_share"]) == (None, None, None)
    assert (found["by_script"], found["frequent"]) == ({}, [])
