"""The glossary: both languages list the same terms, and the files, keys and commands that it names exist."""

import re
from pathlib import Path

import pytest

from danlu.commands.main import VERBS

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ROOT / "docs" / "glossary.md", ROOT / "docs" / "glossary.zh.md"


def tables(page):
    """The rows of each table of a page, without headers."""
    found = []
    for block in page.read_text("utf-8").split("\n\n"):
        rows = [line.strip("| ").split(" | ") for line in block.splitlines() if line.startswith("| ")]
        if rows:
            found.append(rows[1:])
    return found


def test_both_languages_have_the_same_terms():
    *english, former = tables(ENGLISH)
    *chinese, former_chinese = tables(CHINESE)
    assert [[row[:2] for row in table] for table in english] == [[row[1::-1] for row in table] for table in chinese]
    assert [[a, b, c] for a, b, c in former] == [[a, b, c] for a, c, b in former_chinese]


def test_each_term_has_one_row_of_four_cells():
    *terms, _ = tables(ENGLISH)
    rows = [row for table in terms for row in table]
    assert {len(row) for row in rows} == {4}
    for column in (0, 1):
        names = [row[column] for row in rows]
        assert len(set(names)) == len(names) >= 80


@pytest.mark.parametrize("page", [ENGLISH, CHINESE], ids=lambda p: p.name)
def test_files_keys_and_commands_named_exist(page):
    text, reference = page.read_text("utf-8"), (ROOT / "docs/reference/recipe.md").read_text("utf-8")
    paths, keys = re.findall(r"`(danlu/[^`]+)`", text), re.findall(r"(?:recipe key|配方键) `(\w+)`", text)
    assert paths
    assert keys
    for path in paths:
        assert (ROOT / path).exists(), path
    for key in keys:
        assert f"`{key}`" in reference, f"docs/reference/recipe.md has no key {key}"
    for verb in re.findall(r"`danlu (\w+)`", text):
        assert verb in VERBS
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / target).exists(), target
