"""The READMEs and CONTRIBUTING name all that is registered and lead where they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import danlu.config.schema  # noqa: F401  (fills the registries)
from danlu.registry import architectures, objectives

ROOT = Path(__file__).parents[2]
ENTRANCES = sorted(ROOT.glob("README*.md"))
PAGES = [*ENTRANCES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "danlu").rglob("README.md"))]


@pytest.mark.parametrize("page", ENTRANCES, ids=lambda page: page.name)
def test_every_objective_and_architecture_is_named(page):
    named = set(re.findall(r"`(\w+)`", page.read_text("utf-8")))
    assert {*objectives, *architectures} - named == set()


@pytest.mark.parametrize("page", ENTRANCES, ids=lambda page: page.name)
def test_the_tree_is_that_of_the_repository(page):
    """What its block of folders names is there, and every folder of danlu is in it."""
    (tree,) = [block for block in page.read_text("utf-8").split("```") if block.startswith("\ndanlu/\n")]
    named = set(re.findall(r"[\w.]+/|\w+\.(?:py|md)", tree))
    assert {f"{path.parent.name}/" for path in (ROOT / "danlu").glob("*/__init__.py")} <= named
    inside = {path.name for path in (ROOT / "danlu").rglob("*")} | {path.name for path in ROOT.glob("*")}
    inside |= {path.name for path in (ROOT / "docs").glob("*")}
    assert {name.removesuffix("/") for name in named} <= inside


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    for target, heading in re.findall(r"\]\(([^)#:]+)(?:#([^)]+))?\)", text):
        found = page.parent / target
        assert found.exists(), target
        assert not heading or heading in headings(found), f"{target}#{heading}"


def headings(page):
    """The anchors that a page has on the web."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
