"""The READMEs name everything registered, and the links of READMEs and CONTRIBUTING work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import danlu.config.schema  # noqa: F401  (fills the registries)
from danlu.registry import architectures, objectives

ROOT = Path(__file__).parents[2]
READMES = sorted(ROOT.glob("README*.md"))
PAGES = [*READMES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "danlu").rglob("README.md"))]


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_every_objective_and_architecture_is_named(page):
    named = set(re.findall(r"`(\w+)`", page.read_text("utf-8")))
    assert {*objectives, *architectures} - named == set()


@pytest.mark.parametrize("page", READMES, ids=lambda page: page.name)
def test_the_folder_tree_matches_the_repository(page):
    """Everything in the tree exists, and it contains every folder of danlu."""
    (tree,) = [block for block in page.read_text("utf-8").split("```") if block.startswith("\ndanlu/\n")]
    named = set(re.findall(r"[\w.]+/|\w+\.(?:py|md)", tree))
    assert {f"{path.parent.name}/" for path in (ROOT / "danlu").glob("*/__init__.py")} <= named
    inside = {path.name for path in (ROOT / "danlu").rglob("*")} | {path.name for path in ROOT.glob("*")}
    inside |= {path.name for path in (ROOT / "docs").glob("*")}
    assert {name.removesuffix("/") for name in named} <= inside


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_are_not_broken(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target, heading in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", text):
        found = page.parent / target
        assert found.exists(), target
        assert not heading or heading in headings(found), f"{target}#{heading}"


def headings(page):
    """The anchors that a page has on the web."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
