"""The layout of plain text is detected and reported."""

from __future__ import annotations

import pytest

from danlu.text.corpus import CorpusSettings, build_corpus
from danlu.text.layout import find_layout

SENTENCE = (
    "A line that is long enough to be a document of its own, number {}, with words at its end that vary"
    + " in length" * 9
)
CHINESE = "第{}行是一篇完整的短文，长短不一，写到这里就算结束了。"


def layout(folder, *texts: str) -> str:
    files = []
    for i, text in enumerate(texts):
        files.append(folder / f"{i:03d}.txt")
        files[-1].write_text(text)
    return find_layout(files)


@pytest.mark.parametrize("line", [SENTENCE, CHINESE])
def test_one_document_per_line_is_detected(tmp_path, line):
    assert layout(tmp_path, "\n".join(line.format(i) * (1 + i % 3) for i in range(30))) == "line"


def test_paragraphs_between_blank_lines_are_detected(tmp_path):
    block = "\n".join(["A hard-wrapped paragraph has lines that all end near the same column, here"] * 4)
    assert layout(tmp_path, "\n\n".join([block] * 25)) == "paragraphs"
    assert layout(tmp_path, "\n　\n".join([block] * 25)) == "paragraphs"  # an ideographic space is a blank line
    assert layout(tmp_path, "\n\n\n".join([block] * 5)) == "paragraphs"  # few, but the lines are wrapped


def test_rare_blank_lines_do_not_hide_one_document_per_line(tmp_path):
    lines = [SENTENCE.format(i) * (1 + i % 4) for i in range(3000)]
    for i in range(0, 3000, 100):
        lines[i] = ""
    assert layout(tmp_path, "\n".join(lines)) == "line"


def test_many_files_are_one_document_each(tmp_path):
    text = "\n".join(SENTENCE.format(i) for i in range(10))
    assert layout(tmp_path, *[text] * 20) == "file"
    assert layout(tmp_path, *[text] * 19) == "line"
    assert layout(tmp_path, *["one line only"] * 5) == "file"


def test_a_corpus_records_the_layout_and_reads_folders_in_order(tmp_path):
    for name in ("b/2.txt", "a.txt", ".hidden/no.txt", *(f"c/{i}.txt" for i in range(18))):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"document {name}\n" + SENTENCE)
    corpus = build_corpus(CorpusSettings(source=str(tmp_path)))
    assert corpus.facts["layout"] == "file"
    assert corpus.facts["documents"]["in"] == 20
    names = [d.name for d in corpus.documents("train")]
    assert names == sorted(names)
