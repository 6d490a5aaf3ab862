"""The theory pages: examples run, commands are accepted, both languages agree, links and code references work."""

import math
import re
import shlex
from pathlib import Path

import pytest
from guide_blocks import blocks

from danlu.commands.main import danlu_command
from danlu.config.loading import load_recipe

DOCS = Path(__file__).parents[2] / "docs"
THEORY = DOCS / "theory"
PAGES = sorted(p for p in THEORY.glob("*.md") if p.name.count(".") == 1 and p.name != "README.md")
BOTH = [*sorted(THEORY.glob("*.md")), *sorted(DOCS.glob("glossary*.md"))]
CODE_LINK = re.compile(r"\[`([^`\]]+)`\]\((\.\./\.\./[^)]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_examples_run(page):
    examples = blocks(page, ["python"])
    assert examples
    for block in examples:
        exec(compile("\n" * block.line + block.text, str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_commands_are_accepted(page):
    """Every command and option exists, and every recipe loads with the overrides on the page."""
    for block in blocks(page, ["sh"]):
        for line in filter(None, block.code.splitlines()):
            program, verb, *arguments = shlex.split(line)
            assert program == "danlu"
            context = danlu_command.make_context("danlu", [verb, *arguments])
            given = danlu_command.get_command(context, verb).make_context(verb, arguments, parent=context).params
            if "recipe" in given:
                load_recipe(given["recipe"], given["overrides"])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_chinese_page_has_the_same_code_and_links(page):
    other = page.with_name(f"{page.stem}.zh.md")
    assert [b.code for b in blocks(other)] == [b.code for b in blocks(page)]
    assert CODE_LINK.findall(other.read_text("utf-8")) == CODE_LINK.findall(page.read_text("utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_the_chinese_page_has_the_same_outline(page):
    """The same number of headings of each level, table rows and references."""
    parts = (r"^(#+) ", r"^(\|).*\|$", r"^- .*(\d{4})(?:, |，)(\*.*\*)")
    english, chinese = (p.read_text("utf-8") for p in (page, page.with_name(f"{page.stem}.zh.md")))
    for part in parts:
        assert re.findall(part, chinese, re.MULTILINE) == re.findall(part, english, re.MULTILINE)


@pytest.mark.parametrize("page", BOTH, ids=lambda p: p.stem)
def test_links_are_not_broken(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (page.parent / target).exists(), target
    for name, file in CODE_LINK.findall(text):
        source = (page.parent / file).read_text("utf-8")
        for part in name.split("."):
            assert re.search(rf"(?:def|class) {part}\b", source), f"{file} has no {name}"


def softmax(scores):
    total = math.fsum(math.exp(x) for x in scores)
    return [math.exp(x) / total for x in scores]


@pytest.mark.parametrize("page", ["mistakes.md", "mistakes.zh.md"])
def test_published_errors_are_listed_with_the_correct_numbers(page):
    """The correct numbers, computed without torch, are in the row that quotes the wrong ones."""
    rows = [line for line in (THEORY / page).read_text("utf-8").splitlines() if line.startswith("| ")]

    def row(wrong):
        (found,) = [line.strip("| ").split(" | ") for line in rows if wrong in line.split(" | ")[0]]
        return found[1]

    assert math.fsum([0.2, 0.3, 0.4]) != pytest.approx(1)
    assert row("0.2, 0.3, 0.4" if page == "mistakes.md" else "0.2、0.3、0.4")

    output = [0.2, 0.3, 0.5]
    assert softmax(output) != pytest.approx(output, abs=0.01)
    assert ", ".join(f"{p:.3f}" for p in softmax(output)) in row("[0.2, 0.3, 0.5]")

    queries, keys, values = (1, 2, 3), (4, 5, 6), (7, 8, 9)
    attended = [
        math.fsum(weight * value for weight, value in zip(softmax([q * k for k in keys]), values, strict=True))
        for q in queries
    ]
    assert not min(values) <= 13.8641 <= max(values)
    assert ", ".join(f"{x:.4f}" for x in attended) in row("13.8641")
    assert str(list(values)) in row("13.8641")

    assert f"{-math.log(softmax([4, 2, 1, 0])[0]):.3f}" in row("我爱北_天安门")

    sums, counts = [6.0, 1.0], [3, 1]
    wrong = sum(s / n for s, n in zip(sums, counts, strict=True)) / len(sums)
    right = sum(sums) / sum(counts)
    assert wrong != right
    assert f"{right:.2f}" in row(f"{wrong:.1f}")
