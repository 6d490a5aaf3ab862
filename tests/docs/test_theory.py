"""The examples of docs/theory run, the Chinese pages have the same code, and what they point at is there."""

import re
from pathlib import Path

import pytest
from guide_blocks import blocks

THEORY = Path(__file__).parents[2] / "docs" / "theory"
PAGES = sorted(p for p in THEORY.glob("*.md") if p.name.count(".") == 1 and p.name != "README.md")
BOTH = sorted(THEORY.glob("*.md"))
POINTER = re.compile(r"\[`([^`\]]+)`\]\((\.\./\.\./[^)]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_examples_run(page):
    assert blocks(page)
    for block in blocks(page):
        exec(compile("\n" * block.line + block.text, str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_chinese_page_has_the_same_code_and_pointers(page):
    other = page.with_name(f"{page.stem}.zh.md")
    assert [b.code for b in blocks(other)] == [b.code for b in blocks(page)]
    assert POINTER.findall(other.read_text("utf-8")) == POINTER.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", BOTH, ids=lambda p: p.stem)
def test_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for name, file in POINTER.findall(text):
        source = (page.parent / file).read_text("utf-8")
        assert re.search(rf"(?:def|class) {name.rpartition('.')[2]}\b", source), f"{file} has no {name}"
