"""Sentencepiece models: equal ids for any text, none of them special, and the abilities of other kinds."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import sentencepiece
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.architectures import build_network
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.interop import NotExported, export, load_model, save_native
from danlu.objectives.masked import Masked
from danlu.registry import tokenizers
from danlu.text.words import word_starts
from danlu.tokens.bounds import FLAGS, segment_numbers
from danlu.tokens.report import report
from danlu.tokens.shards import TokenStore, write_shards
from danlu.tokens.tokenizer import TextTokenizer

ENGLISH = "The furnace number {} refines the pill; the smoke rises over the hills, and nobody hurries it."
CHINESE = "第{}炉丹药要慢火烧，急了就坏了。山里的人说，等到云散的时候炉子自己会开。"
TEXTS = [form.format(i) for i in range(60) for form in (ENGLISH, CHINESE, "Ｆｕｌｌ width {} and ½ cups, aaaa----")]

KINDS = {
    "unigram": {},
    "bpe": {},
    "unigram bytes": {"byte_fallback": True},
    "bpe bytes": {"byte_fallback": True, "normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "unigram symbols": {"control_symbols": "[MASK],<sep>", "user_defined_symbols": "<mask>,<b>", "pad_id": 3},
    "bpe no ends": {"bos_id": -1, "eos_id": -1, "control_symbols": "[CLS],[SEP]"},
    "bpe no dummy": {"add_dummy_prefix": False, "byte_fallback": True},
}


@cache
def model(kind: str) -> Path:
    """A trained .model."""
    folder = Path(mkdtemp())
    (folder / "text.txt").write_text("\n".join(TEXTS))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"), model_prefix=str(folder / "m"), model_type=kind.split()[0], vocab_size=450,
        hard_vocab_limit=False, character_coverage=1.0, minloglevel=2, num_threads=1, **KINDS[kind],
    )  # fmt: skip
    return folder / "m.model"


@cache
def tokenizer(kind: str) -> TextTokenizer:
    return tokenizers.validate({"name": "file", "path": str(model(kind))}).train([])


@cache
def reference(kind: str):
    return sentencepiece.SentencePieceProcessor(model_file=str(model(kind)))


LOOKS = [
    "<s>", "</s>", "<unk>", "<mask>", "[MASK]", "[CLS]", "<sep>", "<pad>", "<0x41>", "\u2581", " ", "  ", "\n", "aaa",
    "---", "furnace", "慢火烧", "ﬁ", "e\u0301", "Ａ½", "🔥", "\u3000",
]  # fmt: skip
texts = st.lists(st.sampled_from(LOOKS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)).map("".join)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_ids_equal_those_of_sentencepiece_and_are_never_special(kind, text):
    ours, theirs = tokenizer(kind), reference(kind)
    ids = ours.encode(text).tolist()
    assert ids == theirs.encode(text)
    assert [a.tolist() for a in ours.encode_batch([text, "the"])] == [ids, theirs.encode("the")]
    assert set(ids) & ours.vocabulary.special <= {theirs.unk_id()}
    known = [i for i in ids if i != theirs.unk_id()]
    assert ours.decode(known) == theirs.decode(known)
    stream = ours.stream()
    assert "".join(stream.add(i) for i in known) + stream.end() == ours.decode(known)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [*TEXTS[:3], "  two  spaces ", "丹炉 <mask> 1 / 2"])
def test_english_and_chinese_texts_equal_sentencepiece(kind, text):
    ours, theirs = tokenizer(kind), reference(kind)
    assert ours.encode(text).tolist() == theirs.encode(text)
    ids = [i for i in theirs.encode(text) if i != theirs.unk_id()]  # decoding drops unknown tokens, as for other kinds
    assert ours.decode(ours.encode(text)) == theirs.decode(ids)
    stream = ours.stream()
    assert "".join(stream.add(i) for i in ids) + stream.end() == ours.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_token_starts_are_sorted_and_within_the_text(kind, text):
    ((ids, starts),) = tokenizer(kind).encode_starts_batch([text])
    assert ids.tolist() == tokenizer(kind).encode(text).tolist()
    assert (np.diff(starts) >= 0).all()
    assert all(0 <= start <= len(text) for start in starts)


def test_byte_tokens_start_at_their_character():
    ((ids, starts),) = tokenizer("unigram bytes").encode_starts_batch(["a 🔥x"])
    pieces = [tokenizer("unigram bytes").token(int(i)) for i in ids]
    fire = [int(start) for piece, start in zip(pieces, starts, strict=True) if piece.startswith("<0x")]
    assert fire[:4] == [2, 2, 2, 2]


@pytest.mark.parametrize("kind", KINDS)
def test_every_role_has_a_token_and_text_ids_are_unchanged(kind):
    ours, theirs = tokenizer(kind), reference(kind)
    v = ours.vocabulary
    assert v.size >= theirs.vocab_size()
    assert {v.bos, v.eos, v.pad, v.mask} <= v.special
    assert len({v.bos, v.eos, v.pad, v.mask}) == 4
    for role in ("bos", "eos", "pad"):
        own = getattr(theirs, f"{role}_id")()
        assert getattr(v, role) == own or (own < 0 and getattr(v, role) in v.special)
    assert ours.decode([v.bos, *ours.encode("the hills"), v.eos, v.mask]) == "the hills"
    named = ours.decode([v.bos, *ours.encode("the hills"), v.mask], keep_special=True)
    assert named == f"{ours.token(v.bos)}the hills{ours.token(v.mask)}"
    with pytest.raises(IndexError):
        ours.token(v.size)


def test_control_symbols_take_roles_and_user_symbols_do_not():
    symbols = tokenizer("unigram symbols")
    assert symbols.roles["mask"] == "[MASK]"
    assert symbols.token(symbols.vocabulary.mask) == "[MASK]"
    assert symbols.vocabulary.pad == 3
    given_by_text = symbols.inner.token_to_id("<mask>")  # user-defined: text may yield it
    assert given_by_text in symbols.encode("a <mask> b")
    assert given_by_text not in symbols.vocabulary.special
    ends = tokenizer("bpe no ends")
    assert (ends.roles["bos"], ends.roles["eos"]) == ("[CLS]", "[SEP]")
    assert (tokenizer("bpe").roles["mask"], tokenizer("bpe").vocabulary.mask) == (
        "<mask>",
        reference("bpe").vocab_size() + 1,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_save_and_load_round_trips(kind, tmp_path):
    ours = tokenizer(kind)
    ours.save(tmp_path / "t")
    assert (tmp_path / "t" / "tokenizer.model").read_bytes() == model(kind).read_bytes()
    assert not (tmp_path / "t" / "tokenizer.json").exists()
    loaded = TextTokenizer.load(tmp_path / "t")
    assert loaded.fingerprint == ours.fingerprint
    assert (loaded.vocabulary, loaded.roles, loaded.facts) == (ours.vocabulary, ours.roles, ours.facts)
    assert loaded.facts["kind"] == f"sentencepiece {kind.split()[0]}"
    again = tokenizers.validate({"name": "file", "path": str(tmp_path / "t")}).train([])
    assert again.fingerprint == ours.fingerprint


@pytest.mark.parametrize("kind", ["unigram", "bpe bytes"])
def test_shards_word_flags_and_reports_are_supported(kind, corpus):
    ours = tokenizer(kind)
    store = TokenStore(write_shards(corpus, ours, bounds=["word"]), "validation")
    start = 0
    for i, text in enumerate(corpus.texts("validation")):
        ids = store.document(i)
        assert ids.tolist() == [ours.vocabulary.bos, *reference(kind).encode(text), ours.vocabulary.eos]
        (found,) = store.bounds(start, start + len(ids))
        start += len(ids)
        words = segment_numbers(found, "word")[-1] + 1
        assert 3 < words <= len(word_starts(text)) + 2
        assert (found & FLAGS["word"] > 0).sum() == words
    facts = report(ours, list(corpus.texts("validation")))
    json.dumps(facts)
    assert {"Latin", "Han"} <= set(facts["by_script"])


def test_a_model_with_sentencepiece_is_saved_natively(tmp_path):
    ours = tokenizer("unigram")
    small = Transformer(
        layers=1,
        width=8,
        heads=2,
        **{"norm": "layer", "embedding_norm": True, "first_norm": False, "activation": "gelu"},
    )
    network = build_network(Masked(), small, ours.vocabulary.size, 0)
    made = export(network, ours, tmp_path / "e", Masked(), small)
    assert isinstance(made, NotExported)
    assert "sentencepiece" in made.reason
    save_native(network, ours, tmp_path / "m", Masked(), small)
    again, its = load_model(tmp_path / "m")
    assert its.fingerprint == ours.fingerprint
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
    path = tmp_path / "m" / "tokenizer.model"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(WrongInput, match=r"tokenizer\.model is damaged"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("content", [b"", b"not a model at all", "cut"])
def test_a_file_that_is_not_a_model_is_refused_in_one_line(content, tmp_path, capfd):
    data = model("bpe").read_bytes()[:-200] if content == "cut" else content
    (tmp_path / "x.model").write_bytes(data)
    with pytest.raises(WrongInput, match=r"x\.model is damaged or not a sentencepiece model") as refused:
        tokenizers.validate({"name": "file", "path": str(tmp_path / "x.model")}).train([])
    assert "\n" not in str(refused.value)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(WrongInput, match=r"pip install .*\[spm\]'"):
        tokenizers.validate({"name": "file", "path": str(model("bpe"))}).train([])
