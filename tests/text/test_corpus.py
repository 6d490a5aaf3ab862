"""Guarantees of a corpus: nothing is lost silently, nothing built twice, one line for every invalid input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.split import SPLITS

LONG = "the furnace refines the pill and the smoke rises over the hills "
CHINESE = "丹炉里的火要慢慢烧，急了药就坏了。山里的人说，等到云散的时候，炉子自己会开。"


def write_lines(path: Path, records: list) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r, ensure_ascii=False)) + "\n" for r in records))
    return path


def build(source, **more):
    return build_corpus(CorpusSettings(source=str(source), **more))


def all_texts(corpus) -> list[str]:
    return [t for s in SPLITS for t in corpus.texts(s)]


def refused(source, **more) -> str:
    with pytest.raises(WrongInput) as caught:
        build(source, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_jsonl_counts_every_record(tmp_path):
    records = [{"text": f"{CHINESE} {i}"} for i in range(40)]
    records += [records[0], {"text": ""}, "{broken", {"body": "x"}, {"text": 5}, [1], {"text": "\ud800"}, ""]
    source = tmp_path / "a.jsonl"
    source.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    facts = build(source, text_field="text").facts
    assert facts["layout"] == "jsonl"
    assert facts["documents"]["in"] == 47
    assert facts["documents"]["kept"] == 40
    assert facts["documents"]["rejected"] == {
        "duplicate": 1,
        "empty": 1,
        "broken JSON": 1,
        "no field 'text'": 1,
        "field 'text' is not text": 1,
        "not a JSON object": 1,
        "not Unicode": 1,
    }
    assert f"{source}:43: broken JSON" in facts["rejected_examples"]["broken JSON"]
    assert sum(s["documents"] for s in facts["splits"].values()) == 40
    assert all(s["documents"] and s["bytes"] > s["characters"] for s in facts["splits"].values())


def test_compressed_files_equal_plain_files(tmp_path):
    data = "".join(f"{LONG}{CHINESE}{i}\n" for i in range(50)).encode()
    (tmp_path / "a.txt").write_bytes(data)
    (tmp_path / "a.txt.zst").write_bytes(zstd.compress(data))
    plain, packed = build(tmp_path / "a.txt"), build(tmp_path / "a.txt.zst")
    assert plain.fingerprint == packed.fingerprint
    assert plain.folder != packed.folder
    assert next(packed.documents("train")).name.startswith(f"{tmp_path / 'a.txt.zst'}:")


def test_the_cache_is_used_unless_a_file_or_setting_changed(tmp_path, cache):
    source = write_lines(tmp_path / "a.txt", [f"{LONG}{i}" for i in range(50)])
    first = build(source)
    stamp = (first.folder / "corpus.json").stat().st_mtime_ns
    assert build(source).folder == first.folder
    assert (first.folder / "corpus.json").stat().st_mtime_ns == stamp
    assert sorted(p.name for p in first.folder.iterdir()) == [
        "corpus.json",
        "manifest.json",
        "test.jsonl.zst",
        "train.jsonl.zst",
        "validation.jsonl.zst",
    ]
    write_lines(source, [f"{LONG}{i}" for i in range(51)])
    assert build(source).fingerprint != first.fingerprint
    assert build(source, min_characters=2).folder != first.folder


def test_byte_order_marks_and_windows_line_ends_are_removed(tmp_path):
    lines = [f"{LONG}{i}" for i in range(30)]
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert sorted(all_texts(build(tmp_path / "a.txt", documents="line"))) == sorted(lines)


def test_invalid_utf8_rejects_one_document(tmp_path):
    lines = [f"{LONG}{i}".encode() for i in range(30)]
    lines[4] = b"\xff\xfe\xff no text"
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    facts = build(tmp_path / "a.txt", documents="line").facts
    assert facts["documents"] == {"in": 30, "kept": 29, "rejected": {"not UTF-8": 1}}
    assert "a.txt:5: not UTF-8 (byte " in facts["rejected_examples"]["not UTF-8"]


def test_a_document_that_is_too_long_is_rejected(tmp_path, monkeypatch):
    for module in ("lines", "formats.plain_text"):
        monkeypatch.setattr(f"danlu.text.{module}.MAX_BYTES", 200)
    lines = [f"{LONG}{i}" for i in range(30)]
    lines[3] = "x" * 1000
    source = write_lines(tmp_path / "a.txt", lines)
    facts = build(source, documents="line").facts
    assert facts["documents"]["rejected"] == {"longer than 64 MiB": 1}
    assert [d.name for d in build(source, documents="line").documents("train")][-1] == f"{source}:30"
    assert "set documents to paragraphs or line" in refused(source, documents="file")
    blocks = write_lines(tmp_path / "b.txt", ["y" * 90, "y" * 90, "y" * 90, "", *(f"{LONG}{i}\n" for i in range(30))])
    assert build(blocks, documents="paragraphs").facts["documents"]["rejected"] == {"longer than 64 MiB": 1}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=12), min_size=3, max_size=40))
def test_documents_in_equal_kept_plus_rejected(tmp_path, texts):
    texts = [*texts, *(f"{LONG * 6}{i}" for i in range(3))]
    source = write_lines(tmp_path / "p.jsonl", [{"text": t} for t in texts])
    corpus = build(source)
    counts = corpus.facts["documents"]
    assert counts["in"] == len(texts) == counts["kept"] + sum(counts["rejected"].values())
    kept = all_texts(corpus)
    assert len(kept) == counts["kept"] == len({" ".join(t.split()) for t in texts} - {""})
    assert set(kept) <= set(texts)
    assert all(corpus.facts["splits"][s]["documents"] > 0 for s in SPLITS)


def test_wrong_paths_suggest_the_nearest(tmp_path):
    write_lines(tmp_path / "wiki.txt", [LONG])
    assert (
        refused(tmp_path / "wikl.txt")
        == f"source: {tmp_path}/wikl.txt does not exist; did you mean {tmp_path}/wiki.txt?"
    )
    assert "did you mean builtin:pydocs?" in refused("builtin:pydoc").replace("'", "")
    assert "wiki.txt" in refused(tmp_path / "no" / "such")
    (tmp_path / "table.xls").write_text("a,b")
    assert "supported: .txt, .md, .markdown, .rst, .pod, .jsonl" in refused(tmp_path / "table.xls")
    assert "convert it with: libreoffice --headless --convert-to csv" in refused(tmp_path / "table.xls")
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "t.xls").write_text("a,b")
    assert "(found: 1 .xls)" in refused(tmp_path / "tables")


def test_invalid_content_is_one_line_with_its_place(tmp_path):
    write_lines(tmp_path / "f.jsonl", [{"content": LONG}] * 3)
    assert "f.jsonl:1: no field 'text' (text_field: known: content)" in refused(tmp_path / "f.jsonl", text_field="text")
    write_lines(tmp_path / "g.jsonl", [{"texts": LONG}] * 3)
    assert "did you mean 'texts'?" in refused(tmp_path / "g.jsonl", text_field="text")
    (tmp_path / "u.txt").write_bytes(b"abc \xff\xfe")
    assert "u.txt: not UTF-8 (byte 4 is 0xff)" in refused(tmp_path / "u.txt", documents="file")
    (tmp_path / "e.txt").write_bytes(b"")
    assert "no text" in refused(tmp_path / "e.txt", documents="line")
    assert "e.txt: empty" in refused(tmp_path / "e.txt")
    write_lines(tmp_path / "s.txt", ["one", "two", "three"])
    message = refused(tmp_path / "s.txt")
    assert "3 documents of 11 characters" in message
    assert "1,000 characters" in message
    write_lines(tmp_path / "b.txt", [LONG * 100])
    message = refused(tmp_path / "b.txt")
    assert "1 document of" in message
    assert "set documents to line or paragraphs" in message
    whole = zstd.compress((LONG * 1000).encode())
    (tmp_path / "z.txt.zst").write_bytes(whole[:-5])
    assert "z.txt.zst: damaged or truncated" in refused(tmp_path / "z.txt.zst")
    (tmp_path / "y.txt.zst").write_bytes(b"not zstd at all")
    assert "y.txt.zst: damaged or truncated" in refused(tmp_path / "y.txt.zst")


def test_an_unknown_split_suggests_the_nearest(tmp_path):
    corpus = build(write_lines(tmp_path / "a.txt", [f"{LONG}{i}" for i in range(50)]))
    with pytest.raises(WrongInput, match="validation"):
        corpus.documents("validatoin")


def test_a_real_corpus_loses_nothing():
    source = Path(__file__).parents[3] / "shared" / "data" / "zh_chid_passages.jsonl.zst"
    if not source.exists():
        pytest.skip("../shared/data is absent")
    facts = build(source).facts
    assert facts["documents"]["in"] == 5122
    assert facts["documents"]["kept"] > 5000
    assert 0.02 < facts["splits"]["validation"]["documents"] / 5122 < 0.06
