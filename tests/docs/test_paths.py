"""The files and folders that pages name exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DANLU = ROOT / "danlu"
ARCHITECTURE = ROOT / "docs" / "architecture.md"
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("README*.md"), *DANLU.rglob("README.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_paths_exist(page):
    named = re.findall(r"\b((?:danlu|tests|tools|docs)/[\w./-]*\w)", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", sorted(DANLU.rglob("README.md")), ids=lambda p: p.parent.relative_to(ROOT).as_posix())
def test_modules_named_by_a_package_readme_exist(page):
    """Module names are relative to the repository, to danlu, or to the folder of the page or a subfolder."""
    named = re.findall(r"`([\w/]+\.py)`", page.read_text("utf-8"))
    assert [p for p in named if not ((ROOT / p).exists() or (DANLU / p).exists() or any(page.parent.rglob(p)))] == []


def test_the_architecture_page_names_every_package_and_only_files_that_exist():
    text = ARCHITECTURE.read_text("utf-8")
    table = text.split("\n## Packages\n")[1].split("\n## ")[0]
    packages = {path.parent.name for path in DANLU.glob("*/__init__.py")}
    assert packages <= set(re.findall(r"`(\w+)/`", table))
    modules = {path.name for path in DANLU.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert modules <= set(re.findall(r"`(\w+\.py)`", table))
    named = re.findall(r"`((?:\w+/)+\w*(?:\.py)?|\w+\.py)`", text.split("\n## The run directory\n")[0])
    assert len(named) > 50
    exists = {path for path in named if any((folder / path).exists() for folder in (DANLU, ROOT))}
    inside = {path for path in named if any(DANLU.glob(f"*/{path}"))}
    assert set(named) - exists - inside == set()
