"""Web pages, Word documents and PDF give their text; a missing library is reported with its install command."""

from __future__ import annotations

import zipfile

import pytest

from danlu import extras
from danlu.errors import WrongInput
from danlu.extras import install_command
from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.documents import Document, Rejected
from danlu.text.readers import open_sources

SENTENCES = [f"The furnace number {i} turns raw text into a model, slowly and in full." for i in range(30)]
PAGE = "<html><head><title>T</title><script>var hidden = 1;</script></head><body><article>{}</article></body></html>"


def read(path, layout="paragraphs"):
    (source,) = open_sources(str(path), layout, "auto")
    records = list(source.documents())
    return [r.text for r in records if isinstance(r, Document)], [r for r in records if isinstance(r, Rejected)]


def write_pdf(path, lines):
    """Write a PDF of one page with a line of text each; without lines, a page that is only a drawing."""
    text = "".join(f"({line}) Tj 0 -14 Td " for line in lines)
    stream = f"BT /F1 10 Tf 40 800 Td {text}ET".encode() if lines else b"0 0 100 100 re f"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R"
        b" /Resources << /Font << /F1 4 0 R >> >> >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"xref\n0 6\n0000000000 65535 f \n%strailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    path.write_bytes(data + end % (table, len(data)))


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_a_web_page_gives_its_main_text(tmp_path, encoding):
    pytest.importorskip("trafilatura")
    chinese = [f"第{i}座丹炉把原始文本炼成语言模型，这是普通的中文。" for i in range(10)]
    page = PAGE.format("".join(f"<p>{s}</p>" for s in [*chinese, *SENTENCES[:10]]))
    (tmp_path / "a.html").write_bytes(page.encode(encoding))
    texts, rejected = read(tmp_path / "a.html", "file")
    assert rejected == []
    assert all(sentence in texts[0] for sentence in [*chinese, *SENTENCES[:10]])
    assert "hidden" not in texts[0]
    (tmp_path / "b.html").write_text("<html></html>")
    assert [r.reason for r in read(tmp_path / "b.html")[1]] == ["no text in the file"]


def test_a_word_document_gives_paragraphs_and_tables(tmp_path):
    docx = pytest.importorskip("docx")
    document = docx.Document()
    for sentence in SENTENCES[:5]:
        document.add_paragraph(sentence)
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "炉", "火"
    document.save(str(tmp_path / "a.docx"))
    assert read(tmp_path / "a.docx") == ([*SENTENCES[:5], "炉\t火"], [])
    assert read(tmp_path / "a.docx", "file") == (["\n\n".join([*SENTENCES[:5], "炉\t火"])], [])
    (tmp_path / "b.docx").write_bytes(b"no document")
    with zipfile.ZipFile(tmp_path / "c.docx", "w") as archive:
        archive.writestr("a", "b")
    assert [read(tmp_path / f"{n}.docx")[1][0].reason for n in "bc"] == ["not a Word document"] * 2


def test_a_pdf_gives_the_text_of_its_pages(tmp_path):
    pytest.importorskip("pypdf")
    write_pdf(tmp_path / "a.pdf", SENTENCES)
    assert read(tmp_path / "a.pdf", "line") == (SENTENCES, [])
    write_pdf(tmp_path / "b.pdf", [])
    (tmp_path / "c.pdf").write_bytes(b"%PDF-1.4\nnothing")
    assert [r.reason for n in "bc" for r in read(tmp_path / f"{n}.pdf")[1]] == [
        "no text in the file",
        "not readable as PDF",
    ]


def test_source_code_is_one_document_per_file(tmp_path):
    (tmp_path / "a.py").write_text("def f():\n\n\n    return 1\n")
    assert read(tmp_path / "a.py") == (["def f():\n\n\n    return 1"], [])


@pytest.mark.parametrize(("suffix", "extra"), [(".html", "web"), (".docx", "documents"), (".pdf", "documents")])
def test_a_missing_library_is_reported_before_anything_is_read(tmp_path, monkeypatch, suffix, extra):
    (tmp_path / "a.txt").write_text("\n".join(SENTENCES))
    (tmp_path / f"b{suffix}").write_text("")
    monkeypatch.setattr(extras.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WrongInput) as caught:
        build_corpus(CorpusSettings(source=str(tmp_path)))
    message = str(caught.value)
    assert message.startswith(f"source: reading 1 file {suffix}, such as {tmp_path}/b{suffix}, needs ")
    assert message.endswith(f"install it with: {install_command(extra)}")
