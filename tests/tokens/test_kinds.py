"""Every kind of tokenizer: text never yields a special id, training does not depend on order, and saved ones load
elsewhere."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.registry import tokenizers
from danlu.settings import RenamedKey, Settings
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.tokens.kinds.byte_bpe import pre_tokenizer
from danlu.tokens.kinds.kind import TokenizerKind
from danlu.tokens.tokenizer import SPECIAL, TextTokenizer

TEXTS = [
    f"The furnace number {i} refines <b>the pill</b>; <s> smoke </s> rises. 第{i}炉丹药要慢火烧，急了就坏了。"
    for i in range(40)
]
KINDS = {
    "byte_bpe": {"size": 400},
    "byte_bpe qwen2": {"name": "byte_bpe", "size": 400, "pre_tokenization": "qwen2"},
    "byte": {},
    "character": {"size": 330},
    "wordpiece": {"size": 200},
    "wordpiece cased": {"name": "wordpiece", "size": 200, "lowercase": False},
    "unigram": {"size": 400},
    "word": {"size": 60},
    "word cased": {"name": "word", "size": 60, "lowercase": False},
}
LOSSLESS = {"byte_bpe", "byte_bpe qwen2", "byte", "character", "unigram"}


@cache
def trained(kind, reverse=False):
    settings = {"name": kind.split()[0]} | KINDS[kind]
    return tokenizers.validate(settings).train(TEXTS[::-1] if reverse else TEXTS)


def test_every_registered_kind_has_a_case():
    assert {kind.split()[0] for kind in KINDS} == set(tokenizers) - {"file"}


LOOKS = [
    "<s>", "</s>", "<mask>", "<pad>", "<unk>", "[MASK]", "[CLS]", "[SEP]", "[UNK]", "<|endoftext|>", "<0x41>", "丹炉",
    "é🔥", " ", "a", "\n", "\u2581", "<", "s>",
]  # fmt: skip
texts = st.lists(st.sampled_from(LOOKS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)).map("".join)


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_text_never_yields_a_special_id(kind, text):
    tokenizer = trained(kind)
    ids = tokenizer.encode(text)
    unknown = tokenizer.inner.token_to_id("<unk>")
    assert set(ids.tolist()) & tokenizer.vocabulary.special <= {unknown}
    if kind in LOSSLESS and "\u2581" not in text:
        assert tokenizer.decode(ids) == text
        assert unknown not in ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
@given(text=texts)
def test_streamed_text_equals_decoded_text(kind, text):
    tokenizer = trained(kind)
    ids = [i for i in tokenizer.encode(text).tolist() if i not in tokenizer.vocabulary.special]
    stream = tokenizer.stream()
    assert "".join(stream.add(i) for i in ids) + stream.end() == tokenizer.decode(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_training_does_not_depend_on_the_order_of_texts(kind):
    assert trained(kind).fingerprint == trained(kind, reverse=True).fingerprint


@pytest.mark.parametrize("kind", KINDS)
def test_saved_tokenizers_load_here_and_in_transformers(kind, tmp_path):
    from transformers import AutoTokenizer

    tokenizer = trained(kind)
    tokenizer.save(tmp_path / "t")
    loaded = TextTokenizer.load(tmp_path / "t")
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.vocabulary == tokenizer.vocabulary
    theirs = AutoTokenizer.from_pretrained(tmp_path / "t", local_files_only=True)
    assert [getattr(theirs, f"{role}_token_id") for role in SPECIAL] == [0, 1, 2, 3]
    for text in (TEXTS[3], "never seen: ж 🔥 x", ""):
        ids = tokenizer.encode(text).tolist()
        assert loaded.encode(text).tolist() == ids
        assert theirs(text, add_special_tokens=False, split_special_tokens=True)["input_ids"] == ids


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_are_readable(kind):
    tokenizer = trained(kind)
    shown = [tokenizer.token(int(i)) for i in tokenizer.encode("the furnace 丹炉")]
    assert "".join(shown).replace("##", "").replace(" ", "").startswith("thefurnace")


def test_wordpiece_splits_chinese_by_character():
    shown = [trained("wordpiece").token(int(i)) for i in trained("wordpiece").encode("慢火烧")]
    assert shown == ["慢", "火", "烧"]


def test_the_word_tokenizer_has_one_token_per_word():
    tokenizer = trained("word")
    shown = [tokenizer.token(int(i)) for i in tokenizer.encode("The pill; 丹药要慢火烧 a pillar  furnace")]
    assert shown == ["the", "pill", ";", "丹药", "要慢", "火烧", "<unk>", "<unk>", "furnace"]
    assert trained("word cased").encode("The the")[1] != trained("word cased").encode("The the")[0]


def test_the_vocabulary_holds_the_most_frequent_words():
    texts = ["b " * 9 + "a " * 5 + "c " * 5 + "rare " + "zz " * 3]
    tokenizer = tokenizers.validate({"name": "word", "size": 8}).train(texts)
    assert [tokenizer.token(i) for i in range(5, 8)] == ["b", "a", "c"]
    assert tokenizers.validate({"name": "word", "size": 99}).train(texts).vocabulary.size == 9
    assert tokenizer.token(int(tokenizer.encode("zz")[0])) == "<unk>"


def test_qwen2_splits_digits():
    shown = [trained("byte_bpe qwen2").token(int(i)) for i in trained("byte_bpe qwen2").encode("number 1234")]
    assert shown[-4:] == ["1", "2", "3", "4"]


@cache
def foreign_tokenizer(kind):
    """A tokenizer.json as other programs write it: special tokens are also entries of the model, with a score."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

    bert, xlm = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"), ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    letters = sorted({*"abcdefghijklmnopqrstuvwxyz<>/[]|\u2581", "炉", "丹"})
    if kind == "wordpiece":
        pieces = [*bert, *letters, *("##" + c for c in letters), "[cls]"]
        inner = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)}, unk_token="[UNK]"))
        inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        named = dict(zip(("pad", "unk", "cls", "sep", "mask"), bert, strict=True))
    elif kind == "words":
        inner = Tokenizer(models.WordLevel({p: i for i, p in enumerate([*bert, "a"])}, unk_token="[UNK]"))
        inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        named = dict(zip(("pad", "unk", "cls", "sep", "mask"), bert, strict=True))
    else:
        pieces = [*((p, 0.0) for p in xlm), *((c, -5.0) for c in letters), ("\u2581a", -2.0)]
        inner = Tokenizer(models.Unigram(pieces, unk_id=3))
        inner.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if kind == "unigram" else "never")
        inner.decoder = decoders.Metaspace(prepend_scheme="always" if kind == "unigram" else "never")
        named = dict(zip(("bos", "pad", "eos", "unk", "mask"), xlm, strict=True))
    inner.add_special_tokens(list(named.values()))
    inner.enable_padding(length=64)
    inner.enable_truncation(max_length=4)
    folder = Path(mkdtemp())
    inner.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({f"{role}_token": t for role, t in named.items()}))
    return inner, tokenizers.validate({"name": "file", "path": str(folder)}).train([]), folder


OTHERS = ("wordpiece", "words", "unigram", "unigram plain")


@pytest.mark.parametrize("kind", OTHERS)
@given(text=texts)
def test_text_never_yields_a_special_id_of_a_foreign_tokenizer(kind, text):
    _, tokenizer, _ = foreign_tokenizer(kind)
    unknown = tokenizer.inner.token_to_id(tokenizer.roles["unk"])
    ids = tokenizer.encode(text).tolist()
    assert set(ids) & tokenizer.vocabulary.special <= {unknown}
    assert [a.tolist() for a in tokenizer.encode_batch([text])] == [ids]


@pytest.mark.parametrize("kind", OTHERS)
@given(text=st.text("abc 丹炉<>/[]|\n", max_size=30))
def test_ordinary_text_has_the_ids_of_the_foreign_tokenizer(kind, text):
    inner, tokenizer, _ = foreign_tokenizer(kind)
    inner.no_padding()
    inner.no_truncation()
    assert tokenizer.encode(text).tolist() == inner.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("kind", OTHERS)
def test_a_foreign_tokenizer_round_trips(kind, tmp_path):
    _, tokenizer, _ = foreign_tokenizer(kind)
    tokenizer.save(tmp_path / "t")
    again = TextTokenizer.load(tmp_path / "t")
    assert (again.fingerprint, again.vocabulary) == (tokenizer.fingerprint, tokenizer.vocabulary)


def test_a_tokenizer_whose_special_token_is_a_letter_is_refused(tmp_path):
    from tokenizers import Tokenizer, models

    inner = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    inner.add_special_tokens(["a"])
    inner.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "a"}))
    with pytest.raises(WrongInput, match="raw text produces its special token 'a'") as refused:
        tokenizers.validate({"name": "file", "path": str(tmp_path)}).train([])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "byte"])
def test_training_on_a_bounded_sample_does_not_depend_on_the_files(kind, tmp_path, monkeypatch):
    """The texts are in other files, under other names and in another order, and only a part is used for training."""
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    chosen = tokenizers.validate({"name": kind.split()[0]} | KINDS[kind] | {"sample_bytes": 2000})
    fingerprints = set()
    for run, parts in enumerate(([TEXTS], [TEXTS[20:], TEXTS[:20]], [TEXTS[::-1][::2], TEXTS[::-1][1::2]], [TEXTS])):
        folder = tmp_path / f"run{run}"
        folder.mkdir()
        for k, part in enumerate(parts):
            (folder / f"{'zyx'[k]}{run}.txt").write_text("\n".join(part))
        corpus = build_corpus(CorpusSettings(source=str(folder), documents="line"))
        tokenizer = chosen.train(corpus.texts("train"))
        assert 1000 < tokenizer.facts["sample_bytes"] <= 2000
        fingerprints.add(tokenizer.fingerprint)
    assert len(fingerprints) == 1


def test_pre_tokenization_follows_gpt2_and_qwen2():
    """Splits of a text with letters, digits, punctuation, spaces and line ends, as made by the published tokenizers."""
    text = "I'll pay 1234 yuan,\n\n  OK!! 丹炉3号"
    found = {
        kind: [tok for tok, _ in pre_tokenizer(kind).pre_tokenize_str(text.replace("丹炉", "du").replace("号", "h"))]
        for kind in ("gpt2", "qwen2")
    }
    assert found["gpt2"] == ["I", "'ll", "Ġpay", "Ġ1234", "Ġyuan", ",", "ĊĊĠ", "ĠOK", "!!", "Ġdu", "3", "h"]
    assert found["qwen2"] == [
        "I", "'ll", "Ġpay", "Ġ", "1", "2", "3", "4", "Ġyuan", ",ĊĊ", "Ġ", "ĠOK", "!!", "Ġdu", "3", "h",
    ]  # fmt: skip


def write_foreign(folder, special, config):
    """A tokenizer.json with the special tokens `special`, and a tokenizer_config.json."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = {word: i for i, word in enumerate([*special, "the", "furnace"])}
    inner = Tokenizer(models.WordLevel(words, unk_token=special[0]))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.add_special_tokens(list(special))
    folder.mkdir()
    inner.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def test_a_foreign_tokenizer_keeps_its_special_tokens(tmp_path):
    bert = write_foreign(
        tmp_path / "bert",
        ("[UNK]", "[PAD]", "[CLS]", "[SEP]", "[MASK]"),
        {
            "unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]",
            "mask_token": {"content": "[MASK]"},
        },
    )  # fmt: skip
    found = tokenizers.validate({"name": "file", "path": str(bert)}).train([])
    v = found.vocabulary
    assert [v.bos, v.eos, v.pad, v.mask, v.special] == [2, 3, 1, 4, {0, 1, 2, 3, 4}]
    assert np.array_equal(found.encode("the furnace"), [5, 6])
    gpt = write_foreign(tmp_path / "gpt", ("<|endoftext|>",), {"eos_token": "<|endoftext|>"})
    v = tokenizers.validate({"name": "file", "path": str(gpt / "tokenizer.json")}).train([]).vocabulary
    assert [v.bos, v.eos, v.pad, v.mask] == [0, 0, 0, None]
    with pytest.raises(WrongInput, match="no mask token"):
        v.require_mask()


def test_an_unusable_tokenizer_file_is_refused(tmp_path):
    none = write_foreign(tmp_path / "none", ("<x>",), {"unk_token": "<x>"})
    for path, words in (
        (none, "no token marks the beginning or end of a text"),
        (tmp_path / "absent", "does not exist"),
        (tmp_path / "none" / "tokenizer_config.json", "is neither a tokenizer.json nor a .model"),
    ):
        with pytest.raises(WrongInput, match=words):
            tokenizers.validate({"name": "file", "path": str(path)}).train([])


def test_the_former_name_of_a_setting_is_accepted_with_a_warning():
    with pytest.warns(RenamedKey, match="min_frequency"):
        assert tokenizers.validate({"name": "word", "least": 3}).min_frequency == 3


def test_a_kind_must_derive_from_tokenizer_kind_and_implement_train():
    class NotAKind(Settings):
        name: Literal["none"] = "none"

    class Untrained(TokenizerKind):
        name: Literal["none"] = "none"

    with pytest.raises(TypeError, match="must derive from TokenizerKind"):
        tokenizers.register(NotAKind)
    with pytest.raises(TypeError, match="abstract"):
        Untrained()
