"""Word and sentence flags are stored with the tokens, for any tokenizer."""

import copy
from dataclasses import replace

import numpy as np
import pytest

from danlu.registry import tokenizers
from danlu.text.words import word_starts
from danlu.tokens.bounds import FLAGS, flags, segment_numbers
from danlu.tokens.shards import TokenStore, write_shards
from danlu.tokens.units import WindowUnits

KINDS = [
    {"name": "byte_bpe", "size": 400},
    {"name": "wordpiece", "size": 300},
    {"name": "unigram", "size": 500},
    "byte",
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_word_flags_of_a_document_follow_its_text(corpus, kind):
    tokenizer = tokenizers.validate(kind).train(corpus.texts("train"))
    folder = write_shards(corpus, tokenizer, bounds=["word", "sentence"])
    assert folder != write_shards(corpus, tokenizer)
    store = TokenStore(folder, "train")
    start = 0
    for i, text in enumerate(corpus.texts("train")):
        ids = store.document(i)
        (found,) = store.bounds(start, start + len(ids))
        start += len(ids)
        words = (found & FLAGS["word"] > 0).sum()
        most = len(word_starts(text)) + 2  # the begin and end tokens are separate words
        assert words == most if kind == "byte" else 3 < words <= most  # a token of two words belongs to the first
        assert 3 <= (found & FLAGS["sentence"] > 0).sum() <= words
        pieces = [tokenizer.decode(ids[segment_numbers(found, "word") == k]) for k in range(1, words - 1)]
        glued = "".join(pieces).replace(" ", "")
        assert glued.lower() == text.replace(" ", "").lower()


def test_pieces_and_bounds_have_equal_lengths(corpus, tokenizer):
    store = TokenStore(write_shards(corpus, tokenizer, shard_bytes=2000, bounds=["word"]), "train")
    units = WindowUnits(store, 50)
    for i in range(len(units)):
        for overlap in (0, 1):
            pieces, flags = units.pieces(i, overlap), units.bounds(i, overlap)
            assert [len(p) for p in pieces] == [len(f) for f in flags]


def test_words_are_numbered_from_0_even_within_a_word():
    assert segment_numbers(np.array([0, 0, 1, 0, 1], np.uint8), "word").tolist() == [0, 0, 1, 1, 2]
    assert segment_numbers(np.array([1, 0, 1, 3], np.uint8), "word").tolist() == [0, 0, 1, 2]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_sentence_starts_at_the_token_of_its_first_word(kind):
    """That token often contains the space before it, which follows the previous sentence."""
    text = " ".join(f"The mill number {k} grinds." for k in range(6)) + " 山里有云。炉子很热。"
    tokenizer = tokenizers.validate(kind).train([text] * 3)
    ((ids, starts, stops),) = tokenizer.encode_offsets_batch([text])
    found = flags(text, starts, stops, ["sentence"])
    sentences = [tokenizer.decode(ids[segment_numbers(found, "sentence") == k]).strip().lower() for k in range(8)]
    expected = [f"the mill number {k} grinds." for k in range(6)] + ["山里有云。", "炉子很热。"]
    assert [s.replace(" ", "") for s in sentences] == [s.replace(" ", "") for s in expected]


def test_other_library_versions_do_not_share_the_cache(corpus, tokenizer, monkeypatch):
    first = write_shards(corpus, tokenizer, bounds=["sentence"])
    monkeypatch.setattr("danlu.tokens.shards.installed_version", lambda library: f"another {library}")
    assert write_shards(corpus, tokenizer, bounds=["sentence"]) != first


def test_another_end_token_does_not_share_the_cache(corpus, tokenizer):
    """The end token may be defined in another file than the tokenizer."""
    first = write_shards(corpus, tokenizer)
    other = copy.copy(tokenizer)
    other.__dict__["vocabulary"] = replace(tokenizer.vocabulary, eos=tokenizer.vocabulary.bos)
    assert write_shards(corpus, other) != first
