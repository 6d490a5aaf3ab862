"""Shards hold every document once; windows hold every token once and every step within a document once."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu import durable
from danlu.errors import WrongInput
from danlu.text.split import SPLITS
from danlu.tokens.kinds.word import Word
from danlu.tokens.shards import FACTS, ShardWriter, TokenStore, decodes_exactly, dtype_for, store_texts, write_shards
from danlu.tokens.units import WindowUnits

documents_strategy = st.lists(st.lists(st.integers(0, 69_999), min_size=1, max_size=12), min_size=1, max_size=25)


def store_of(folder, documents: list[list[int]], shard_bytes: int, size: int = 70_000) -> TokenStore:
    with ShardWriter(folder, "train", dtype_for(size), shard_bytes) as writer:
        for i, ids in enumerate(documents):
            writer.add(np.array(ids), i)
    durable.write_json(folder / FACTS, {"dtype": dtype_for(size).name, "splits": {"train": writer.counts}})
    return TokenStore(folder, "train")


def distinct(documents: list[list[int]]) -> list[list[int]]:
    """Documents of the same lengths with distinct ids, so that every token and step is identifiable."""
    ids = iter(range(10**9))
    return [[next(ids) for _ in d] for d in documents]


@pytest.mark.parametrize("shard_bytes", [1, 500, 512 << 20])
def test_every_document_is_stored_with_its_boundaries(corpus, tokenizer, shard_bytes):
    folder = write_shards(corpus, tokenizer, shard_bytes)
    assert durable.damage(folder) is None
    for split in SPLITS:
        store, texts = TokenStore(folder, split), list(corpus.texts(split))
        assert store.documents == len(texts) == corpus.facts["splits"][split]["documents"]
        assert store.bytes == corpus.facts["splits"][split]["bytes"]
        assert store.tokens == sum(len(store.document(i)) for i in range(store.documents))
        for i, text in enumerate(texts):
            ids = store.document(i)
            assert ids.dtype == np.int64
            assert [ids[0], ids[-1]] == [1, 2]
            assert tokenizer.decode(ids) == text
            assert store.document_bytes(i) == len(text.encode())
        files = list(folder.glob(f"{split}-*.tokens"))
        assert len(files) == {1: store.documents, 512 << 20: 1}.get(shard_bytes, len(files))
        assert sum(f.stat().st_size for f in files) == 2 * store.tokens
    assert write_shards(corpus, tokenizer, shard_bytes) == folder


def test_a_small_batch_gives_the_same_shards(corpus, tokenizer, monkeypatch):
    whole = write_shards(corpus, tokenizer, 500)
    kept = {p.name: p.read_bytes() for p in whole.glob("*-*")}
    monkeypatch.setattr("danlu.tokens.shards.BATCH_CHARACTERS", 100)
    monkeypatch.setenv("DANLU_CACHE", str(whole.parent) + "2")
    assert {p.name: p.read_bytes() for p in write_shards(corpus, tokenizer, 500).glob("*-*")} == kept


def test_ids_take_two_bytes_when_they_fit():
    assert dtype_for(1 << 16) == np.dtype("<u2")
    assert dtype_for((1 << 16) + 1) == np.dtype("<u4")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents_strategy, st.integers(1, 80))
def test_round_trip_over_any_shards(tmp_path, documents, shard_bytes):
    store = store_of(tmp_path, documents, shard_bytes)
    assert [store.document(i).tolist() for i in range(store.documents)] == documents
    assert [store.document_bytes(i) for i in range(store.documents)] == list(range(len(documents)))
    assert [p.tolist() for p in store.pieces(0, store.tokens, 3)] == documents


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(documents_strategy, st.integers(1, 80), st.integers(1, 30), st.integers(0, 3))
def test_windows_hold_every_token_and_every_step_once(tmp_path, documents, shard_bytes, length, overlap):
    documents = distinct(documents)
    store = store_of(tmp_path, documents, shard_bytes)
    units = WindowUnits(store, length)
    assert len(units) == -(-store.tokens // length)
    pieces = [p.tolist() for i in range(len(units)) for p in units.pieces(i, overlap)]
    places = {id: (d, k) for d, ids in enumerate(documents) for k, id in enumerate(ids)}
    for piece in pieces:
        assert piece
        assert [places[t] for t in piece] == [(places[piece[0]][0], places[piece[0]][1] + k) for k in range(len(piece))]
    if overlap == 0:
        assert [t for p in pieces for t in p] == [t for d in documents for t in d]
    if overlap == 1:
        steps = Counter(step for p in pieces for step in pairwise(p))
        assert steps == Counter(step for d in documents for step in pairwise(d))
    for i in range(len(units)):
        assert sum(map(len, units.pieces(i, overlap))) <= length + overlap


def test_missing_shards_splits_and_indices_are_refused(tmp_path, corpus, tokenizer):
    with pytest.raises(WrongInput, match="holds no token shards"):
        TokenStore(tmp_path, "train")
    folder = write_shards(corpus, tokenizer)
    with pytest.raises(WrongInput, match="did you mean 'train'"):
        TokenStore(folder, "trian")
    store = TokenStore(folder, "test")
    for wrong in (-1, store.documents):
        with pytest.raises(IndexError):
            store.document(wrong)
    for start, stop in ((-1, 2), (2, 1), (0, store.tokens + 1)):
        with pytest.raises(IndexError):
            store.pieces(start, stop)
    assert store.pieces(3, 3) == []
    units = WindowUnits(store, 16)
    for wrong in (-1, len(units)):
        with pytest.raises(IndexError):
            units.pieces(wrong)
    with pytest.raises(ValueError, match="windows of 0"):
        WindowUnits(store, 0)


def test_exact_decoding_is_checked_for_every_document(tmp_path, tokenizer):
    texts = ["iron melts", "iron melts tin", "  tin\n"]
    assert decodes_exactly(store_texts(tmp_path, "whole", texts, tokenizer), texts, tokenizer)
    words = Word(size=20).train(["iron melts"] * 4)
    for kept, documents in ((True, texts[:1]), (False, texts[:2]), (False, texts[2:])):
        assert decodes_exactly(store_texts(tmp_path, "words", documents, words), documents, words) == kept
