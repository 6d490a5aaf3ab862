"""Every byte of a source is accounted for: read, or not read for a reason that is reported."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.errors import WrongInput
from danlu.text.account import loss_lines
from danlu.text.corpus import CorpusSettings, build_corpus

ENGLISH = "The furnace turns raw text into a small language model, number {i}, and nobody hurries it."
CHINESE = "丹炉把原始文本炼成语言模型，这是第{i}句普通的中文。"


def sentences(template: str, start: int, count: int) -> list[str]:
    return [template.format(i=start + i) for i in range(count)]


def write_mixed_folder(top: Path) -> None:
    """Write several encodings, formats and fields, broken lines, labels, and files that are no text."""
    top.mkdir()
    for i in range(4):
        (top / f"{i}.md").write_text("\n\n".join(sentences(ENGLISH, 100 * i, 20)))
    records = [json.dumps({"page": i, "body": text * 3}) for i, text in enumerate(sentences(ENGLISH, 1000, 200))]
    (top / "man.jsonl").write_text("\n".join([*records, "{broken"]))
    texts = sentences(CHINESE, 2000, 60)
    lines = [json.dumps({"id": i, "text": text}, ensure_ascii=False) for i, text in enumerate(texts)]
    (top / "web.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    rows = [f"{i},{text}" for i, text in enumerate(sentences(CHINESE, 3000, 40))]
    (top / "zh.csv").write_bytes("\n".join(["编号,正文", *rows]).encode("gb18030"))
    rows = [f"{i};{text}" for i, text in enumerate(sentences(ENGLISH, 4000, 30))]
    (top / "semicolons.csv").write_text("\n".join(["id;review", *rows]))
    rows = [f"{'good' if i % 2 else 'bad'}\t{text}" for i, text in enumerate(sentences(ENGLISH, 5000, 40))]
    (top / "stars.tsv").write_text("\n".join(["stars\tline", *rows]))
    (top / "utf16.txt").write_bytes("\n\n".join(sentences(CHINESE, 6000, 20)).encode("utf-16"))
    (top / "doc.pod").write_text("\n\n".join(["=head1 NAME", *sentences(ENGLISH, 7000, 20)]))
    (top / "tool.py").write_text("def add(one, other):\n    return one + other\n")
    (top / "binary.txt").write_bytes(bytes(range(256)) * 8)
    (top / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8)
    (top / "old.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(3000))
    (top / "settings.conf").write_text("a = 1\n" * 50)
    (top / ".hidden").mkdir()
    (top / ".hidden" / "secret.txt").write_text("hidden")


@pytest.fixture
def mixed(tmp_path):
    write_mixed_folder(tmp_path / "mixed")
    return tmp_path / "mixed"


def account_of(source: Path, **more: object) -> dict:
    corpus = build_corpus(CorpusSettings.model_validate({"source": str(source), **more}))
    return corpus.facts["account"]


def require_complete(account: dict, source: Path) -> None:
    files = [path for path in source.rglob("*") if path.is_file()]
    assert account["files"] == len(files)
    assert account["bytes"] == sum(path.stat().st_size for path in files)
    assert account["read"]["bytes"] + sum(part["bytes"] for part in account["not_read"]) == account["bytes"]
    assert account["read"]["files"] + sum(part["files"] for part in account["not_read"]) == account["files"]


def reasons(account: dict) -> dict[str, str]:
    return {part["reason"]: Path(part["example"]).name for part in account["not_read"]}


def test_every_byte_of_a_mixed_folder_is_accounted_for(mixed, caplog):
    account = account_of(mixed)
    require_complete(account, mixed)
    assert reasons(account) == {
        "a format that danlu does not read": "old.doc",
        "not text": "picture.png",
        "binary, not text": "binary.txt",
        "text with an unknown suffix": "settings.conf",
        "broken JSON": "man.jsonl",
        "hidden": "secret.txt",
    }
    fields = {Path(found["file"]).name: found["field"] for found in account["fields"]}
    assert fields == {
        "man.jsonl": "body",
        "web.jsonl.gz": "text",
        "zh.csv": "正文",
        "semicolons.csv": "review",
        "stars.tsv": "line",
    }
    assert account["notes"] == [f"{mixed}/semicolons.csv: the fields are separated by semicolons, not by commas"]
    command = next(part["command"] for part in account["not_read"] if part["kind"] == ".doc")
    assert command == f"libreoffice --headless --convert-to docx {mixed}/old.doc"
    assert 0 < account["lost_share"] < 0.05
    assert "of the readable bytes" not in caplog.text


def test_a_large_loss_is_a_warning_with_its_remedy(mixed, caplog):
    for name in ("web.jsonl.gz", "zh.csv", "semicolons.csv", "stars.tsv"):
        (mixed / name).unlink()
    account = account_of(mixed, text_field="text")
    require_complete(account, mixed)
    total, warning = [r for r in caplog.records if "of the readable bytes" in r.getMessage()]
    assert total.levelname == warning.levelname == "WARNING"
    assert total.getMessage().endswith("in all, is not read")
    share = account["not_read"][0]["bytes"] / account["readable_bytes"]
    assert warning.getMessage() == (
        f"WARNING: {100 * share:.0f} % of the readable bytes, {account['not_read'][0]['bytes'] / 1e3:.3g} kB in "
        f"{mixed}/man.jsonl, is not read: no field 'text'; fields found: page, body; set corpus.text_field=body"
    )
    caplog.clear()
    account_of(mixed, text_field="text")  # from the cache
    assert any("of the readable bytes" in r.getMessage() for r in caplog.records)


def test_where_several_fields_hold_text_the_advice_is_to_search(mixed):
    advice = {part["command"] for part in account_of(mixed, text_field="text")["not_read"] if part["fields"]}
    assert advice == {"corpus.text_field=auto"}


def test_an_explicit_field_reads_what_it_read_before(mixed):
    def texts(**more: object) -> set[str]:
        corpus = build_corpus(CorpusSettings.model_validate({"source": str(mixed / "web.jsonl.gz"), **more}))
        return {text for split in ("train", "validation", "test") for text in corpus.texts(split)}

    assert texts(text_field="text") == texts() == set(sentences(CHINESE, 2000, 60))


def test_several_fields_are_joined_by_a_newline(tmp_path):
    texts = sentences(ENGLISH, 0, 30)
    lines = [json.dumps({"title": f"Title {i}", "body": text}) for i, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, json.dumps({"body": "Only a body here."})]))
    (tmp_path / "b.csv").write_text("\n".join(["title,body", *(f'Row {i},"{t}"' for i, t in enumerate(texts))]))
    corpus = build_corpus(CorpusSettings(source=str(tmp_path), text_field=["title", "body"]))
    found = {text for split in ("train", "validation", "test") for text in corpus.texts(split)}
    assert found == {
        *(f"Title {i}\n{t}" for i, t in enumerate(texts)),
        *(f"Row {i}\n{t}" for i, t in enumerate(texts)),
        "Only a body here.",
    }


@pytest.mark.parametrize("value", ["", [], ["body", " "]])
def test_an_empty_field_is_refused(value):
    with pytest.raises(ValueError, match="name a field or column, or auto"):
        CorpusSettings(source="a", text_field=value)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", bytes(range(256)) * 8, "a.txt: binary, not text"),
        ("a.csv", b"text,id,text\none,1,two\n", "a.csv:1: 2 columns are called 'text' (rename all but one)"),
        ("a.jsonl", b'{"n": 1}\n{"n": 2}\n', "a.jsonl: no field of text (text_field: known: n)"),
        ("a.odt", b"PK", "convert it with: libreoffice --headless --convert-to docx "),
        ("a.zip", b"PK", "unpack it with: unzip "),
        ("a.log", b"some words\n", "to read it: mv "),
    ],
)
def test_a_single_file_that_cannot_be_read_is_one_line(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    for source in (tmp_path / name, tmp_path):
        with pytest.raises(WrongInput) as caught:
            build_corpus(CorpusSettings(source=str(source)))
        assert expected in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".txt", ".md", ".rst", ".pod"])
def test_the_same_text_is_the_same_corpus_whatever_its_suffix(tmp_path, suffix):
    found = []
    for kind in (".txt", suffix):
        folder = tmp_path / kind[1:]
        folder.mkdir(exist_ok=True)
        for i in range(6):
            (folder / f"{i}{kind}").write_text("\n\n".join(sentences(ENGLISH, 100 * i, 90)))
        found.append(build_corpus(CorpusSettings(source=str(folder))))
    assert [corpus.facts["documents"]["in"] for corpus in found] == [540, 540]
    assert found[0].fingerprint == found[1].fingerprint


CONTENT = {
    ".txt": st.one_of(st.text(max_size=60).map(str.encode), st.binary(max_size=60)),
    ".md": st.text(max_size=60).map(str.encode),
    ".jsonl": st.lists(
        st.one_of(
            st.dictionaries(st.sampled_from(["text", "body", "id"]), st.text(max_size=30)).map(json.dumps),
            st.sampled_from(["{broken", "[1]", "", '{"text": 3}']),
        ),
        max_size=8,
    ).map(lambda lines: "\n".join(lines).encode()),
    ".csv": st.lists(st.sampled_from(["id,text", "1,one", "2", '3,"open', "4;four", ""]), max_size=6).map(
        lambda lines: "\n".join(lines).encode()
    ),
    ".png": st.binary(max_size=40),
    ".doc": st.binary(max_size=40),
    ".py": st.text(max_size=40).map(str.encode),
    "": st.binary(max_size=40),
}  # fmt: skip
FILES = st.one_of(
    *(st.tuples(st.sampled_from(["", ".hidden/", "sub/"]), st.just(kind), made) for kind, made in CONTENT.items())
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FILES, max_size=8), st.sampled_from(["auto", "text", ["id", "body"]]))
def test_read_and_unread_bytes_are_the_bytes_of_the_folder(tmp_path, files, text_field):
    folder = tmp_path / "texts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "base.txt").write_text("\n\n".join(sentences(ENGLISH, 0, 30)))
    for i, (below, kind, content) in enumerate(files):
        path = folder / below / f"f{i}{kind}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    account = account_of(folder, text_field=text_field, documents="paragraphs")
    require_complete(account, folder)
    assert account["read"]["bytes"] >= (folder / "base.txt").stat().st_size
    assert 0 <= account["lost_share"] < 1
    assert all(part["bytes"] >= 0 for part in account["not_read"])
    assert all("\n" not in line for line in loss_lines(account))
