"""docs/reference is up to date with the code, and its matrix agrees with the check of recipes."""

import re
import runpy
from pathlib import Path

import pytest

from danlu.batch import ATTENTION_ORDERS
from danlu.config.loading import parse_recipe
from danlu.errors import WrongInput
from danlu.registry import architectures, objectives

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "reference"
RECIPE = """\
corpus: {{source: text.txt}}
models:
  one:
    objective: {objective}
    architecture: {{name: {architecture}, context: 256{setting}}}
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The pages generated from the code, in a folder."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(str(ROOT / "tools"))
        runpy.run_path(str(ROOT / "tools" / "write_reference.py"))["main"](str(folder))
    return folder


@pytest.mark.parametrize("page", ["recipe.md", "matrix.md", "commands.md", "python.md"])
def test_the_reference_is_up_to_date(page, written):
    assert {path.name for path in written.iterdir()} == {path.name for path in PAGES.iterdir()}
    assert (written / page).read_text("utf-8") == (PAGES / page).read_text("utf-8"), "run make docs"


def test_links_of_the_matrix_are_not_broken():
    for target in re.findall(r"\]\(([^)#]+)\)", (PAGES / "matrix.md").read_text("utf-8")):
        assert (PAGES / target).exists(), target


def tables():
    """{title of a section: the rows of its table, without the header}."""
    found = {}
    for section in (PAGES / "matrix.md").read_text("utf-8").split("\n## ")[1:]:
        lines = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("|")]
        found[section.splitlines()[0]] = lines
    return found


def test_the_matrix_has_every_pair_and_a_recipe_agrees():
    """Checks one objective for each distinct row, with every architecture."""
    head, _, *rows = tables()["Objectives and architectures"]
    names = [cell.strip("`") for cell in head if cell]
    assert names == list(architectures)
    assert [row[0].strip("`") for row in rows] == list(objectives)
    for answers, objective in {tuple(row[1:]): row[0].strip("`") for row in rows}.items():
        for cell, architecture in dict(zip(answers, names, strict=True)).items():
            assert_recipe_agrees(objective, architecture, cell)


def assert_recipe_agrees(objective, architecture, cell):
    """A recipe of the pair is accepted with the setting in the cell, or refused if the cell is "no"."""
    chosen = "{name: mixture, of: {a: causal, b: masked}}" if objective == "mixture" else objective
    setting = "" if cell in ("yes", "no") else ", {}: {}".format(*cell.split())
    text = RECIPE.format(objective=chosen, architecture=architecture, setting=setting)
    if cell == "no":
        with pytest.raises(WrongInput, match="needs a"):
            parse_recipe(text, "r.yaml")
    else:
        parse_recipe(text, "r.yaml")


def test_everything_registered_is_in_the_tables():
    found = tables()
    for title, kinds in (("Properties of each objective", objectives), ("Streams of each objective", objectives)):
        assert {row[0].split(",")[0].strip("`") for row in found[title][2:]} == set(kinds)
    assert {row[0].strip("`") for row in found["Attention orders of each architecture"][2:]} == set(architectures)
    orders = re.findall(r"^- `(\w+)`: ", (PAGES / "matrix.md").read_text("utf-8"), re.MULTILINE)
    assert set(ATTENTION_ORDERS) < set(orders)
    exempt = {
        (f"{kinds.kind} `{name}`", what, why)
        for kinds in (objectives, architectures)
        for name in kinds
        for what, why in kinds[name].exempt.items()
    }
    assert {tuple(row) for row in found["Exempt from the conformance suite"][2:]} == exempt
    assert exempt
