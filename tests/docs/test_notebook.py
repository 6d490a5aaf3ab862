"""The notebook of the guides runs from top to bottom; it is stored without outputs, and the Chinese one has the same
code."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).parents[2]
TOUR = ROOT / "docs" / "guides" / "tour.ipynb"


def read(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    return book


def code(book):
    return [cell.source for cell in book.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", [TOUR, TOUR.with_name("tour.zh.ipynb")], ids=lambda path: path.stem)
def test_the_notebook_compiles_and_is_stored_without_outputs(path):
    book = read(path)
    assert code(book) == code(read(TOUR))
    for cell in book.cells:
        if cell.cell_type == "code":
            compile(cell.source, str(path), "exec")
            assert (cell.outputs, cell.execution_count) == ([], None)
        else:
            assert cell.source.strip()


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_tour_runs_from_top_to_bottom(tmp_path, monkeypatch):
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", str(ROOT) + os.pathsep + os.environ.get("PYTHONPATH", ""))
    monkeypatch.setenv("DANLU_CACHE", str(tmp_path / "cache"))
    book = read(TOUR)
    client.NotebookClient(
        book, timeout=300, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    printed = ["".join(out.text for out in cell.outputs if out.output_type == "stream") for cell in book.cells[1::2]]
    assert all(text.strip() for text in printed)
    assert "ngram5" in printed[2]
    assert printed[3].startswith("The statement")
    assert (tmp_path / "runs" / "tour" / "report.html").exists()
