"""The ends of a span of sentences do not reveal its place, however the tokenizer encodes sentence boundaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from sentence_store import CHINESE_THINGS, THINGS, Documents

from danlu.objectives.masked_sentence import MaskedSentence
from danlu.objectives.sentence_order import SentenceOrder
from danlu.registry import tokenizers

KINDS = {
    "word": {"name": "word", "size": 500},
    "character": "character",
    "byte": "byte",
    "byte_bpe gpt2": {"name": "byte_bpe", "size": 700, "pre_tokenization": "gpt2"},
    "byte_bpe qwen2": {"name": "byte_bpe", "size": 700, "pre_tokenization": "qwen2"},
    "wordpiece": {"name": "wordpiece", "size": 500},
    "unigram": {"name": "unigram", "size": 700},
}


def english(rng):
    return f"The {THINGS[rng.integers(8)]} is {THINGS[rng.integers(8)]} {rng.integers(30)}."


def chinese(rng):
    return f"{CHINESE_THINGS[rng.integers(8)]}有{rng.integers(30)}个{CHINESE_THINGS[rng.integers(8)]}。"


def document(number):
    """Independent sentences; paragraphs and lines end at random, and some documents end without a full stop."""
    rng = np.random.default_rng(number)
    sentence, space = ((english, " "), (chinese, ""))[number % 2]
    gaps = rng.choice([space, "\n", "\n\n"], int(rng.integers(4, 9)), p=[0.5, 0.4, 0.1])
    text = "".join(sentence(rng) + gap for gap in gaps)
    return text.rstrip()[: -1 if number % 3 == 0 else None] + ("\n" if number % 5 == 0 else "")


def documents(tmp_path, kind, context):
    return Documents(tmp_path, [document(n) for n in range(1600)], context, kind=tokenizers.validate(KINDS[kind]))


def pairs(made):
    """(first span, second span, label) of every pair of an epoch, as ids."""
    objective, eos = SentenceOrder.model_validate({"masked": False}), made.tokenizer.vocabulary.eos
    for example in made.examples(objective, made.samples.units):
        for seq in example["text"]:
            first, second, _ = np.split(seq.inputs["token"][1:], np.flatnonzero(seq.inputs["token"][1:] == eos) + 1)
            yield first[:-1], second[:-1], seq.sequence_labels["order"]


def accuracy_of_linear_model(features, labels):
    """Held-out accuracy of a logistic regression on categorical features, and of the majority class."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    half = len(labels) // 2
    encoder = OneHotEncoder(handle_unknown="ignore").fit(features[:half])
    model = LogisticRegression(max_iter=500).fit(encoder.transform(features[:half]), labels[:half])
    right = (model.predict(encoder.transform(features[half:])) == labels[half:]).mean()
    return right, max(labels[half:].mean(), 1 - labels[half:].mean())


QUICK = {"word", "byte_bpe qwen2", "unigram"}
"""Tokenizers for the fast tests, one for each way to mark the start of a word."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind in QUICK else pytest.mark.slow) for kind in KINDS]
)
def test_first_and_last_tokens_do_not_reveal_the_order(tmp_path, kind):
    made = documents(tmp_path, kind, 400)
    found = list(pairs(made))
    labels = np.array([label for *_, label in found])
    assert len(labels) > 400
    ends = [[a[0], a[-1], b[0], b[-1], f"{a[-1]} {b[0]}", f"{b[-1]} {a[0]}"] for a, b, _ in found]
    right, majority = accuracy_of_linear_model(np.array(ends, object).astype(str), labels)
    assert right - majority < 3 * 0.5 / (len(labels) / 2) ** 0.5


@pytest.mark.parametrize("kind", ["byte_bpe gpt2", "byte_bpe qwen2", "character"])
def test_both_spans_start_alike_and_end_alike(tmp_path, kind):
    made = documents(tmp_path, kind, 400)
    decode = made.tokenizer.decode
    seen = Counter()
    for a, b, _ in list(pairs(made))[:300]:
        starts, stops = ([text[at] for text in (decode(a), decode(b))] for at in (0, -1))
        assert not any(text.endswith("\n") or text.startswith("\n") for text in (decode(a), decode(b)))
        assert starts[0].isspace() == starts[1].isspace()
        assert stops[0].isalnum() == stops[1].isalnum()
        seen["pairs"] += 1
    assert seen["pairs"] > 100


@pytest.mark.parametrize("kind", ["byte_bpe gpt2", "byte_bpe qwen2"])
def test_masked_sentences_and_contexts_have_uniform_ends(tmp_path, kind):
    made = Documents(tmp_path, [document(n) for n in range(200)], 150, windows=8, kind=tokenizers.validate(KINDS[kind]))
    objective, decode, found = MaskedSentence(group=8, shortest=2), made.tokenizer.decode, 0
    mask = made.tokenizer.vocabulary.mask
    for example in made.examples(objective, 30):
        texts = [decode(seq.inputs["token"][1:-1]) for seq in example["sentence"]]
        found += len(texts)
        assert len({text[0].isspace() for text in texts}) <= 1
        assert len({text[-1].isalnum() for text in texts}) <= 1
        assert not any(text.endswith("\n") or text.startswith("\n") for text in texts)
        for seq in example["context"]:
            before, after = np.split(seq.inputs["token"], np.flatnonzero(seq.inputs["token"] == mask))
            assert not decode(before).endswith("\n")
            assert not decode(after[1:]).startswith("\n")
    assert found > 100
