"""Words and sentences partition the text, which is never changed."""

from itertools import pairwise

import pytest
import sentencex
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.text.sentences import sentence_starts
from danlu.text.words import word_starts


def parts(text, starts):
    return [text[a:b] for a, b in pairwise([*starts.tolist(), len(text)])]


mixed = st.lists(
    st.sampled_from(
        ["我爱北京天安门", "don't", " ", "\n\n", "。", "Dr. ", "3.5", "🔥", "A", "，", "使用BERT模型", "\u3000"]
    )
)


@pytest.mark.parametrize("find", [word_starts, sentence_starts])
@given(text=mixed.map("".join) | st.text(max_size=40))
def test_the_parts_concatenate_to_the_text(find, text):
    starts = find(text)
    assert "".join(parts(text, starts)) == text
    assert all(a < b for a, b in pairwise(starts.tolist()))
    assert (not text) == (not len(starts))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat's hat, again.", ["The", " cat's", " hat", ",", " again", "."]),
        ("我爱北京天安门", ["我", "爱", "北京", "天安门"]),
        ("使用 BERT 模型进行分类", ["使用", " BERT", " 模型", "进行", "分类"]),
        ("v2.0\n", ["v2", ".", "0", "\n"]),
    ],
)
def test_words_of_english_and_chinese(text, words):
    assert parts(text, word_starts(text)) == words


def test_line_ends_dropped_by_sentencex_are_kept():
    """sentencex divides texts of more than ten thousand characters and drops the white space in between."""
    text = "The cat sat down. It slept.\n\n" * 500
    assert len("".join(sentencex.segment("en", text))) < len(text)
    assert parts(text, sentence_starts(text))[:3] == ["The cat sat down.", " It slept.", "\n\nThe cat sat down."]
    assert len(sentence_starts(text)) == 1000


def test_the_space_before_a_sentence_belongs_to_it():
    """English tokens start with their space; otherwise the first token of a sentence would belong to the previous
    one."""
    assert sentence_starts("A cat sat. The dog ran.").tolist() == [0, 10]


def test_sentences_of_english_and_chinese():
    text = "Dr. Smith paid $3.50. He left.\n\nThen he came back."
    assert [s.strip() for s in parts(text, sentence_starts(text))] == [
        "Dr. Smith paid $3.50.",
        "He left.",
        "Then he came back.",
    ]
    text = "今天天气很好。我们去公园吧！你说呢？"
    assert parts(text, sentence_starts(text)) == ["今天天气很好。", "我们去公园吧！", "你说呢？"]


def test_a_long_text_keeps_its_blank_lines():
    """sentencex drops the blank line at which it divides a text of more than ten thousand characters."""
    text = "\n\n".join(f"Paragraph {k} says something. And then something else." for k in range(600))
    starts = sentence_starts(text)
    assert "".join(parts(text, starts)) == text
    assert len(starts) == 1200


def test_without_the_extra_chinese_words_are_refused_in_one_line(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rjieba", None)
    assert len(word_starts("only English")) == 2
    with pytest.raises(WrongInput, match=r"Chinese word segmentation needs rjieba; .*pip install .*\[zh\]'"):
        word_starts("中文文本")
