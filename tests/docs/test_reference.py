"""docs/reference is what the code says today."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["recipe.md", "commands.md", "python.md"])
def test_the_reference_is_up_to_date(page, tmp_path):
    runpy.run_path(str(ROOT / "tools" / "write_reference.py"))["main"](str(tmp_path))
    written = (ROOT / "docs" / "reference" / page).read_text("utf-8")
    assert (tmp_path / page).read_text("utf-8") == written, "run make docs"
