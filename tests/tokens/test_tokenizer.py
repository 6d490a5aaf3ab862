"""The tokenizer: any text round-trips, text never yields a special id, training is reproducible."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from danlu.errors import WrongInput
from danlu.registry import tokenizers
from danlu.tokens.byte_tokens import byte_of_character, piece_text
from danlu.tokens.kinds.byte_bpe import ByteBPE
from danlu.tokens.report import report
from danlu.tokens.sampling import sample_texts
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(any_text)
def test_any_text_round_trips_without_special_ids(tokenizer, text):
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64
    assert tokenizer.decode(ids) == text
    assert tokenizer.vocabulary.ordinary(ids).all()
    assert all(ids < tokenizer.vocabulary.size)
    assert [a.tolist() for a in tokenizer.encode_batch([text, "x"])] == [ids.tolist(), tokenizer.encode("x").tolist()]


@pytest.mark.parametrize("text", ["</s>", "a<s>b", " <mask> ", "<pad><pad>", "丹</s>炉"])
def test_text_that_looks_like_special_tokens_is_ordinary(tokenizer, tmp_path, text):
    tokenizer.save(tmp_path / "t")
    for each in (tokenizer, TextTokenizer.load(tmp_path / "t")):
        assert each.encode(text).min() >= 4
        assert each.encode_batch([text])[0].min() >= 4
        assert each.decode(each.encode(text)) == text


def test_special_tokens_have_the_first_ids(tokenizer):
    v = tokenizer.vocabulary
    assert [v.pad, v.bos, v.eos, v.mask] == [0, 1, 2, 3]
    assert v.special == {0, 1, 2, 3}
    assert [tokenizer.token(i) for i in range(4)] == ["<pad>", "<s>", "</s>", "<mask>"] == list(SPECIAL.values())
    ids = [1, *tokenizer.encode("the 丹"), 2]
    assert tokenizer.decode(ids) == "the 丹"
    assert tokenizer.decode(ids, keep_special=True) == "<s>the 丹</s>"
    for wrong in (-1, v.size):
        with pytest.raises(IndexError):
            tokenizer.decode([wrong])
        with pytest.raises(IndexError):
            tokenizer.token(wrong)


def test_pieces_are_readable(tokenizer):
    assert len(byte_of_character()) == 256
    assert sorted(byte_of_character().values()) == list(range(256))
    assert piece_text("Ġthe") == " the"
    assert piece_text("ä") == "\\xe4"
    assert "".join(tokenizer.token(int(i)) for i in tokenizer.encode("the smoke 炉丹")) == "the smoke 炉丹"


def test_save_and_load_round_trips(tokenizer, tmp_path):
    tokenizer.save(tmp_path / "t")
    loaded = TextTokenizer.load(tmp_path / "t")
    assert loaded.vocabulary == tokenizer.vocabulary
    assert loaded.facts == tokenizer.facts
    data = (tmp_path / "t" / "tokenizer.json").read_bytes()
    assert loaded.fingerprint == tokenizer.fingerprint == hashlib.sha256(data).hexdigest()


def test_missing_and_damaged_tokenizers_are_refused(tokenizer, tmp_path):
    with pytest.raises(WrongInput, match=r"has no tokenizer\.json"):
        TextTokenizer.load(tmp_path)
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(WrongInput, match="damaged"):
        TextTokenizer.load(tmp_path)
    path.write_text(json.dumps({**json.loads(tokenizer.content), "added_tokens": []}))
    with pytest.raises(WrongInput, match="is not one of its special tokens"):
        TextTokenizer.load(tmp_path)


def test_training_does_not_depend_on_order_or_threads():
    code = (
        "import random, sys; from danlu.tokens.kinds.byte_bpe import ByteBPE\n"
        "draw = random.Random(5)\n"
        "words = [''.join(draw.choices('abcdef丹炉', k=draw.randint(1, 6))) for _ in range(300)]\n"
        "texts = [' '.join(draw.choices(words, k=40)) for _ in range(200)]\n"
        "if sys.argv[1] == '1': texts.reverse()\n"
        "print(ByteBPE(size=700).train(texts).fingerprint)"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, threads],
            env=os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2", "4", "2")
    ]
    assert len(runs[0]) == 65
    assert len(set(runs)) == 1


def test_a_small_text_gives_a_small_vocabulary_and_records_it():
    tokenizer = ByteBPE(size=5000).train(["aab aab aab"])
    assert tokenizer.facts["size_asked"] == 5000
    assert tokenizer.facts["size"] == tokenizer.vocabulary.size < 300
    assert tokenizer.decode(tokenizer.encode("丹炉 zzz")) == "丹炉 zzz"
    with pytest.raises(WrongInput, match="no text"):
        ByteBPE().train([])


def test_settings_are_validated_by_name():
    assert tokenizers.validate("byte_bpe") == ByteBPE(size=8192)
    assert tokenizers.validate({"name": "byte_bpe", "size": 300}) == ByteBPE(size=300)
    with pytest.raises(ValidationError, match="260"):
        ByteBPE(size=100)


@given(st.lists(any_text, unique=True), st.integers(1, 200))
def test_the_sample_is_bounded_and_independent_of_order(texts, limit):
    chosen = sample_texts(texts, limit)
    assert chosen == sample_texts(texts[::-1], limit)
    assert set(chosen) <= set(texts)
    assert len(chosen) <= 1 or sum(len(t.encode()) for t in chosen) <= limit
    assert bool(chosen) == bool(texts)
    assert sorted(sample_texts(texts, 10**9)) == sorted(texts)


def test_a_large_corpus_is_sampled_in_bounded_memory():
    texts = (f"{i} the furnace burns " * 50 for i in range(20_000))  # 22 MB in all, one at a time
    tracemalloc.start()
    try:
        chosen = sample_texts(texts, 200_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 190_000 < sum(map(len, chosen)) <= 200_000
    assert peak < 1_000_000


def test_report_of_a_tokenizer(tokenizer):
    texts = ["The smoke rises over the hills.", "炉子自己会开", "", "x" * 500]
    found = report(tokenizer, texts)
    assert found["kind"] == "byte_bpe"
    assert found["size"] == tokenizer.vocabulary.size
    assert found["round_trip"] is True
    total = sum(len(tokenizer.encode(t)) for t in texts)
    assert found["bytes_per_token"] == sum(len(t.encode()) for t in texts) / total
    assert len(found["examples"]) == 3
    assert "".join(found["examples"][0]["tokens"]) == texts[0] == found["examples"][0]["text"]
    json.dumps(found)


@pytest.mark.slow
def test_transformers_loads_the_saved_folder(tokenizer, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path / "t")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "t")
    assert theirs.is_fast
    v = tokenizer.vocabulary
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id, theirs.mask_token_id) == (0, 1, 2, 3)
    assert len(theirs) == v.size
    for text in ("The smoke  rises , over\n\nit's 3.5", "炉子自己会开。 ok", " lead", ""):
        ids = tokenizer.encode(text).tolist()
        assert theirs(text).input_ids == ids
        assert theirs.decode(ids) == text
    split = transformers.AutoTokenizer.from_pretrained(tmp_path / "t", split_special_tokens=True)
    assert split("a</s>").input_ids == tokenizer.encode("a</s>").tolist()


def test_a_json_file_that_is_not_a_tokenizer_is_refused(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    content = json.loads(tokenizer.content)
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, "model": {"type": "None such"}}))
    with pytest.raises(WrongInput, match="is not a file of the tokenizers library"):
        TextTokenizer.load(tmp_path)


def test_truncation_and_padding_of_a_file_are_disabled(tokenizer, tmp_path):
    """Files of embedding models contain them; the end of a text would be lost silently."""
    tokenizer.save(tmp_path)
    content = json.loads((tmp_path / "tokenizer.json").read_text("utf-8"))
    content["truncation"] = {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    content["padding"] = {
        "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0,
        "pad_token": "<pad>",
    }  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(content), "utf-8")
    text = "a text of more than four tokens, which stays as it is"
    loaded = TextTokenizer.load(tmp_path)
    assert loaded.decode(loaded.encode(text)) == text
    assert loaded.encode_batch([text])[0].tolist() == tokenizer.encode(text).tolist()


def test_sentinels_have_the_last_ids_and_change_no_other(tokenizer, tmp_path):
    extended = tokenizer.with_sentinels(3)
    size = tokenizer.vocabulary.size
    assert tokenizer.vocabulary.sentinels == ()
    assert extended.vocabulary.sentinels == (size, size + 1, size + 2)
    assert extended.vocabulary.special == {0, 1, 2, 3, size, size + 1, size + 2}
    assert extended.with_sentinels(2) is extended
    assert extended.with_sentinels(5).vocabulary.sentinels == tuple(range(size, size + 5))
    extended.save(tmp_path / "t")
    again = TextTokenizer.load(tmp_path / "t")
    assert again.fingerprint == extended.fingerprint
    assert again.vocabulary == extended.vocabulary
    text = "the <extra_id_0> 丹炉 <extra_id_2>"
    for each in (extended, again):
        assert each.encode(text).tolist() == tokenizer.encode(text).tolist()
        assert each.decode(each.encode(text)) == text
        assert each.token(size + 1) == "<extra_id_1>"
        assert each.decode([size, *each.encode("the")]) == "the"


@pytest.mark.parametrize("kind", ["byte", "byte_bpe", "character", "unigram", "wordpiece"])
def test_every_kind_can_add_sentinels(kind):
    size = {} if kind == "byte" else {"size": 400}
    made = tokenizers.validate({"name": kind, **size}).train(["the furnace refines the pill <extra_id_0>"] * 5)
    extended = made.with_sentinels(4)
    assert len(extended.vocabulary.sentinels) == 4
    text = "refines <extra_id_0> and <extra_id_3>"
    assert extended.encode(text).tolist() == made.encode(text).tolist()
    assert not set(extended.vocabulary.sentinels) & set(extended.encode(text).tolist())
