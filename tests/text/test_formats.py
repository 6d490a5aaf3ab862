"""Every format, encoding and compression yields the same documents; broken records are rejected individually."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.documents import Document, Rejected
from danlu.text.encodings import detect_encoding
from danlu.text.formats import FORMATS
from danlu.text.readers import find_files, open_sources

CHINESE = "丹炉把原始文本炼成语言模型，这是一句普通的中文。"
ENGLISH = "The furnace turns raw text into a model."

COMPRESS = {"": lambda data: data, ".gz": gzip.compress, ".zst": zstd.compress}
ENCODINGS = {
    "utf-8": ("utf-8", b""),
    "utf-8 with a mark": ("utf-8", b"\xef\xbb\xbf"),
    "utf-16 little": ("utf-16-le", b"\xff\xfe"),
    "utf-16 big": ("utf-16-be", b"\xfe\xff"),
    "gb18030": ("gb18030", b""),
}


def as_jsonl(texts):
    return "".join(json.dumps({"id": i, "text": t}, ensure_ascii=False) + "\n" for i, t in enumerate(texts))


def as_csv(texts):
    out = io.StringIO()
    csv.writer(out).writerows([["id", "text"], *enumerate(texts)])
    return out.getvalue()


def as_tsv(texts):
    return "id\ttext\n" + "".join(f"{i}\t{t}\n" for i, t in enumerate(texts))


WRITE = {
    ".txt": lambda texts: "\n".join(texts) + "\n",
    ".jsonl": as_jsonl,
    ".csv": as_csv,
    ".tsv": as_tsv,
}


def read(path, **more):
    """(texts, rejected) of a source, layout line."""
    sources = open_sources(str(path), more.get("layout", "line"), more.get("text_field", "text"))
    found = [d for s in sources for d in s.documents()]
    return [d.text for d in found if isinstance(d, Document)], [d for d in found if isinstance(d, Rejected)]


ALPHABET = "abc XYZ,;\"'丹炉文本模型语言，。é"
words = st.text(st.sampled_from(ALPHABET), min_size=1, max_size=20).map(str.strip).filter(bool)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(words, min_size=1, max_size=8),
    st.sampled_from(sorted(WRITE)),
    st.sampled_from(sorted(ENCODINGS)),
    st.sampled_from(sorted(COMPRESS)),
)
def test_documents_round_trip_through_any_file_type(tmp_path, texts, suffix, encoding, compression):
    texts = [f"{CHINESE} {t}" for t in texts]  # enough to detect the encoding
    codec, mark = ENCODINGS[encoding]
    path = tmp_path / f"some{suffix}{compression}"
    path.write_bytes(COMPRESS[compression](mark + WRITE[suffix](texts).encode(codec)))
    assert read(path) == (texts, [])


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("suffix", [".txt", ".md", ".rst", ".pod"])
@pytest.mark.parametrize("layout", ["file", "line", "paragraphs", "auto"])
def test_markup_is_divided_as_plain_text_is(tmp_path, compression, suffix, layout):
    path = tmp_path / f"page{suffix}{compression}"
    path.write_bytes(COMPRESS[compression](b"# Title\r\nwords\r\n\r\nText.\r\n"))
    expected = {
        "file": ["# Title\nwords\n\nText."],
        "line": ["# Title", "words", "Text."],
        "paragraphs": ["# Title\nwords", "Text."],
        "auto": ["# Title", "words", "Text."],
    }
    assert read(path, layout=layout) == (expected[layout], [])


def test_parquet_is_one_document_per_row(tmp_path):
    table = pyarrow.table({"id": [1, 2, 3], "text": [CHINESE, None, ENGLISH]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    texts, rejected = read(tmp_path / "a.parquet")
    assert texts == [CHINESE, ENGLISH]
    assert [(r.reason, r.name) for r in rejected] == [("column 'text' is not text", f"{tmp_path}/a.parquet:2")]
    _, rejected = read(tmp_path / "a.parquet", text_field="txt")
    assert rejected[0].hint == "text_field: did you mean 'text'?"
    (tmp_path / "b.parquet").write_bytes(b"no parquet at all")
    assert read(tmp_path / "b.parquet")[1][0].reason == "not Parquet"


def test_a_missing_column_suggests_the_nearest(tmp_path):
    (tmp_path / "a.csv").write_text("id,texts\n1,a\n2,b\n")
    with pytest.raises(WrongInput, match=r"a.csv:1: no column 'text' \(text_field: did you mean 'texts'\?\)"):
        build_corpus(CorpusSettings(source=str(tmp_path / "a.csv"), text_field="text"))


def test_broken_rows_are_rejected_individually(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b'id\ttext\n1\tone\n2\n3\t\xff\xff bad\n4\tfour "quoted\n')
    texts, rejected = read(tmp_path / "a.tsv")
    assert texts == ["one", 'four "quoted']
    assert [(r.name.rpartition(":")[2], r.reason) for r in rejected] == [
        ("3", "number of fields differs from the header"),
        ("4", "not UTF-8"),
    ]
    (tmp_path / "b.csv").write_text('id,text\n1,"one\ntwo"\n2,ok\n3,"open\n')
    texts, rejected = read(tmp_path / "b.csv")
    assert texts == ["one\ntwo", "ok"]
    assert [(r.name.rpartition(":")[2], r.reason) for r in rejected] == [("5", "not CSV")]


def test_bytes_invalid_in_the_detected_encoding_are_rejected(tmp_path):
    lines = [CHINESE.encode("gb18030")] * 20
    lines[7] = b"\xff\xff"
    (tmp_path / "a.txt").write_bytes(b"\n".join(lines))
    texts, rejected = read(tmp_path / "a.txt")
    assert texts == [CHINESE] * 19
    assert [(r.name.rpartition(":")[2], r.reason) for r in rejected] == [("8", "not GB18030")]


def test_a_damaged_gzip_is_reported_in_one_line(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(ENGLISH.encode() * 100)[:-12])
    with pytest.raises(WrongInput, match=r"a.txt.gz: damaged or truncated"):
        read(tmp_path / "a.txt.gz")


def test_traditional_characters_in_gb18030_are_detected():
    assert detect_encoding("這家生意挺好的過了下午一點客人依舊絡繹不絕環境算寬敞明亮".encode("gb18030")) == "gb18030"


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (ENGLISH, "ascii"),
        ("café déjà vu naïve Übermut", "latin-1"),
        ("Привет, мир", "cp1251"),
        ("日本語テキスト", "shift-jis"),
        (
            "It’s the company’s plan. They don’t know what we’ve lost. ",
            "cp1252",
        ),  # each ’ and its letter is a Han in GB18030
        ("Señor, the décor of the régime in Zürich is passé. ", "latin-1"),
    ],
)
def test_ambiguous_encodings_default_to_utf8(text, codec):
    assert detect_encoding(text.encode(codec) * 20) == "utf-8"


def test_utf_16_without_a_mark_is_detected_in_prose_with_dialogue():
    text = "“你好，”他说：“好吗？”\n“好……”\n" * 20
    assert detect_encoding(text.encode("utf-16-le")) == "utf-16-le"


def test_a_byte_order_mark_before_a_quoted_header_is_removed(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeff"text","id"\n"one","1"\n'.encode())
    assert read(tmp_path / "a.csv") == (["one"], [])


def test_rows_lost_to_an_open_quote_are_reported(tmp_path):
    (tmp_path / "a.csv").write_text('id,text\n1,ok\n2,"open\n3,lost\n4,"lost too"\n5,fine\n')
    texts, rejected = read(tmp_path / "a.csv")
    assert texts == ["ok", "fine"]
    assert [r.name.rpartition(":")[2] for r in rejected] == ["3"]
    assert rejected[0].hint.endswith("lines 3 to 5")


def test_damaged_parquet_pages_are_rejected(tmp_path):
    path = tmp_path / "a.parquet"
    pyarrow.parquet.write_table(
        pyarrow.table({"text": [f"{ENGLISH} {i}" for i in range(99)]}), path, compression="gzip"
    )
    data = bytearray(path.read_bytes())
    data[30:300] = bytes(270)
    path.write_bytes(data)
    _, rejected = read(path)
    assert [r.reason for r in rejected] == ["damaged Parquet"]


def test_linked_folders_are_read_once_and_unreadable_ones_refused(tmp_path, monkeypatch):
    (tmp_path / "texts").mkdir()
    (tmp_path / "far").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("here")
    (tmp_path / "far" / "b.txt").write_text("there")
    (tmp_path / "texts" / "linked").symlink_to(tmp_path / "far")
    (tmp_path / "texts" / "round").symlink_to(tmp_path / "texts")
    assert [p.name for p in find_files(str(tmp_path / "texts"))] == ["a.txt", "b.txt"]
    closed = tmp_path / "texts" / "closed"
    closed.mkdir()
    listed = os.scandir

    def refusing(path):
        if Path(path) == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(WrongInput, match=r"closed: cannot be read \(Permission denied\)"):
        find_files(str(tmp_path / "texts"))


def test_lone_surrogates_are_rejected_before_filters(tmp_path):
    lines = [{"text": f"{ENGLISH * 5} {i}"} for i in range(20)] + [{"text": "cut emoji \ud83d"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    facts = build_corpus(CorpusSettings(source=str(tmp_path / "a.jsonl"), clean=["simplified"])).facts
    assert facts["documents"]["rejected"] == {"not Unicode": 1}


def test_a_rejected_file_may_have_a_name_that_is_not_utf8(tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.txt").write_text(f"{ENGLISH * 5} {i}")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xd6\xd0\xce\xc4.txt")).write_text("")
    facts = build_corpus(CorpusSettings(source=str(tmp_path))).facts
    assert "empty" in facts["rejected_examples"]["empty"]


def test_the_documents_setting_is_suggested_only_where_it_helps(tmp_path):
    (tmp_path / "book.py").write_text(ENGLISH * 99)
    with pytest.raises(WrongInput, match=r"are needed; add text$"):
        build_corpus(CorpusSettings(source=str(tmp_path / "book.py")))
    (tmp_path / "book.txt").write_text(ENGLISH * 99)
    with pytest.raises(WrongInput, match=r"set documents to line or paragraphs, or add text$"):
        build_corpus(CorpusSettings(source=str(tmp_path / "book.txt"), documents="file"))


def test_a_folder_of_mixed_formats_and_encodings_is_read(tmp_path, caplog):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for i in range(10):
        (folder / f"e{i}.txt").write_text(f"{ENGLISH * 4} {i}", "utf-8")
        (folder / f"c{i}.txt").write_bytes(f"{CHINESE * 4} {i}".encode("gb18030"))
    (folder / "page.md").write_bytes(("\ufeff" + CHINESE * 3).encode("utf-16"))
    (folder / "rows.csv.gz").write_bytes(gzip.compress(as_csv([f"row {i} {ENGLISH}" for i in range(5)]).encode()))
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.txt").write_text("hidden")
    with caplog.at_level("INFO"):
        facts = build_corpus(CorpusSettings(source=str(folder))).facts
    assert facts["documents"] == {"in": 26, "kept": 26, "rejected": {}}
    assert facts["files"] == [
        {"formats": {".txt": 20, ".md": 1, ".csv": 1}, "encodings": {"gb18030": 10, "utf-8": 11, "utf-16": 1}}
    ]
    assert "encodings other than UTF-8" in caplog.text


def test_supported_suffixes():
    prose = [".txt", ".md", ".markdown", ".rst", ".pod"]
    extracted = [".html", ".htm", ".xhtml", ".docx", ".pdf"]
    named = [*prose, ".jsonl", ".csv", ".tsv", ".parquet", *extracted]
    assert list(FORMATS)[: len(named)] == named
    assert {".py", ".js", ".c"} <= set(FORMATS) - set(named)
