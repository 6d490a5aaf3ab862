"""The tables of docs/comparison equal the stored results of the comparisons."""

import re
import runpy
from pathlib import Path

import pytest

from danlu.config.loading import load_recipe
from danlu.durable import read_json

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "comparison"
TOOL = runpy.run_path(str(ROOT / "tools" / "write_comparison.py"))


@pytest.mark.parametrize("name", TOOL["WORDS"])
def test_tables_are_up_to_date_and_none_is_left_out(name):
    page = (FOLDER / name).read_text("utf-8")
    assert TOOL["filled"](page, FOLDER, TOOL["WORDS"][name]) == page, "run make docs"
    shown = re.findall(r"<!-- table (\S+) -->", page)
    assert sorted(shown) == sorted(path.name for path in FOLDER.glob("*.json"))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.name)
def test_every_model_of_the_recipe_has_its_row(path):
    recipe = load_recipe(str(FOLDER / f"{path.stem.split('-')[1]}.yaml"))
    assert [model["name"] for model in read_json(path)["models"]] == list(recipe.models)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_recipes_of_comparisons_load(path):
    assert len(load_recipe(str(path)).models) > 1
