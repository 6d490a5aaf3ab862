"""No file but its own names an objective, and the loop reads of an objective only what serves several; by the source of
every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from examples import OBJECTIVES, example_of

import danlu
import danlu.objectives
from danlu.registry import objectives
from danlu.waist import READ, Objective

ROOT = Path(danlu.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
INSIDE = {name: tree for name, tree in FILES.items() if name.startswith("objectives/")}
OUTSIDE = {name: tree for name, tree in FILES.items() if name not in INSIDE}

NAMES = frozenset(objectives)
CLASSES = {objectives[name].__name__: objectives[name].__module__ for name in NAMES}
MODULES = {module for module in CLASSES.values() if module.startswith("danlu.")}

ORDERS = NAMES & READ.keys()
"""Words that are also orders of attention (`danlu.waist.READ`)."""

SAY_ORDERS = {
    "architectures/bag.py",
    "architectures/convolutional.py",
    "architectures/hybrid/hybrid.py",
    "architectures/recurrent.py",
    "architectures/recurrent_decoder.py",
    "architectures/transformer/decoder.py",
    "architectures/transformer/layout.py",
    "architectures/transformer/orders.py",
    "architectures/transformer/transformer.py",
    "architectures/transformer/varlen.py",
    "tasks/classify.py",
    "waist.py",
}
"""Files in which one of those words is an order that a model offers, needs or reads in. It is a list of files, read by
eye: nothing in a word says what it means."""

LOOP = {name: tree for name, tree in FILES.items() if name.startswith("training/")} | {
    name: FILES[name] for name in ("packing.py", "stages/pretraining.py")
}


def words(node: ast.AST) -> Iterator[ast.Constant]:
    """The strings in a piece of source that are names of objectives."""
    return (n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in NAMES)


def called(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def is_name(node: ast.AST) -> bool:
    """Whether it is the name of something: `x.name`, `getattr(x, "name")`, `name_of(x)`."""
    if called(node, "getattr", "name_of"):
        return node.func.id == "name_of" or getattr(node.args[1], "value", "") == "name"  # type: ignore[attr-defined]
    return isinstance(node, ast.Attribute) and node.attr == "name"


def naming(tree: ast.AST, orders: bool) -> list[str]:
    """What a file outside danlu/objectives says that it must not; `orders`: a word may be an order of attention there,
    and then it is compared with nothing's name."""
    found = [f"{n.lineno}: {n.value!r}" for n in words(tree) if not (orders and n.value in ORDERS)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(map(is_name, ast.walk(node))):
            found += [f"{node.lineno}: compares a name with {word.value!r}" for word in words(node)]
        if isinstance(node, ast.ImportFrom):
            imported = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            imported = {alias.name for alias in node.names}
        else:
            imported = {node.value} if isinstance(node, ast.Constant) else set()
        found += [f"{node.lineno}: {module}" for module in sorted(MODULES & imported)]  # type: ignore[attr-defined]
    return found


def telling_apart(tree: ast.AST) -> list[str]:
    """Where a file of danlu/objectives asks which objective something is. The words are also names of terms and labels
    there, so only what is compared counts: one side of == or !=, a member of a literal, a case, a class."""
    found = []
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            equal = any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
            asked = [s for s in sides if isinstance(s, ast.Constant) and equal]
            asked += [s for s in sides if isinstance(s, ast.Tuple | ast.List | ast.Set | ast.Dict)]
        elif isinstance(node, ast.MatchValue):
            asked = [node.value]
        found += [f"{word.lineno}: {word.value!r}" for part in asked for word in words(part)]
        if called(node, "isinstance", "issubclass"):
            kinds = [n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)]  # type: ignore[attr-defined]
            found += [f"{node.lineno}: {kind}" for kind in kinds if kind in CLASSES]  # type: ignore[attr-defined]
    return found


def test_nothing_outside_names_an_objective():
    found = {name: naming(tree, name in SAY_ORDERS) for name, tree in OUTSIDE.items()}
    assert {name: said for name, said in found.items() if said} == {}


def test_every_file_that_may_say_an_order_says_one():
    assert {name for name, tree in OUTSIDE.items() if any(word.value in ORDERS for word in words(tree))} == SAY_ORDERS


def test_no_objective_asks_which_one_another_is():
    assert {name: said for name, tree in INSIDE.items() if (said := telling_apart(tree))} == {}


@pytest.mark.parametrize(
    "line",
    [
        'HEADS = {"masked": 1}',
        'wanted = "causal"',
        "from danlu.objectives.spans import Spans",
        "from danlu.objectives import replaced",
        "import danlu.objectives.causal",
        'importlib.import_module("danlu.objectives.causal")',
        'if objective.name in ("spans", "denoising"): pass',
    ],
)
def test_a_line_that_names_one_is_found(line):
    assert naming(ast.parse(line), orders=False)


@pytest.mark.parametrize(
    "line", ['objective.name == "causal"', 'name_of(x) != "causal"', 'getattr(x, "name") == "causal"']
)
def test_an_order_is_not_the_name_of_anything(line):
    assert naming(ast.parse(line), orders=True)
    assert not naming(ast.parse('frozenset({"causal"})\ncase.order == "causal"'), orders=True)


@pytest.mark.parametrize(
    "line",
    [
        'o.name == "masked"',
        '"spans" != o.name',
        'o.name in ("masked", "spans")',
        'match o.name:\n    case "masked": pass',
        "isinstance(o, Masked)",
        "isinstance(o, Settings | Masked)",
    ],
)
def test_a_line_that_tells_objectives_apart_is_found(line):
    assert telling_apart(ast.parse(line))
    assert not telling_apart(ast.parse('"masked" in labels\nlabels["masked"] >= 0\nkind == "average"'))


def is_objective(node: ast.AST) -> bool:
    """`objective`, `job.objective`, ..."""
    return getattr(node, "id" if isinstance(node, ast.Name) else "attr", None) == "objective"


def read_directly(tree: ast.AST) -> set[str]:
    """The attributes of an objective that a file reads, and asks for by getattr and hasattr."""
    found = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_objective(n.value)}
    for node in ast.walk(tree):
        if called(node, "getattr", "hasattr") and is_objective(node.args[0]):  # type: ignore[attr-defined]
            found.add(ast.literal_eval(node.args[1]))  # type: ignore[attr-defined]
    return found


def readers() -> dict[str, set[str]]:
    """Of each function of danlu.traits the attributes of an objective that it reads."""
    return {n.name: read_directly(n) for n in FILES["traits.py"].body if isinstance(n, ast.FunctionDef)}


def traits() -> dict[str, set[str]]:
    """By the protocol of danlu.traits or the function there that documents them, the attributes that an objective may
    have besides `danlu.waist.Objective`."""
    protocols = {
        node.name: {
            member.name if isinstance(member, ast.FunctionDef) else member.target.id  # type: ignore[union-attr]
            for member in node.body
            if isinstance(member, ast.FunctionDef | ast.AnnAssign)
        }
        for node in FILES["traits.py"].body
        if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Protocol" for base in node.bases)
    }
    return protocols | {name: read - BASE for name, read in readers().items() if read - BASE}


def read_by(tree: ast.AST) -> set[str]:
    """All that a file reads of an objective, also through danlu.traits."""
    known = readers() | traits()
    imported = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "danlu.traits"
        for alias in node.names
    }
    return read_directly(tree).union(*(known[name] for name in imported))


BASE = {name for name in dir(Objective) if not name.startswith("_")} | {"name"}
"""What every objective has."""


@pytest.fixture(scope="module")
def owners():
    """The registered objectives that have an attribute, under the settings of the suite."""
    every: dict[str, Any] = {name: objectives.validate(example_of("objective", name, OBJECTIVES)) for name in NAMES}
    return lambda attribute: sorted(name for name, objective in every.items() if hasattr(objective, attribute))


def test_every_objective_has_what_the_waist_asks_for(owners):
    assert {"fields", "terms", "needs", "continues_text", "example", "parts", "losses"} <= BASE
    for name in BASE:
        assert set(owners(name)) == NAMES, name


def test_what_the_loop_reads_serves_several_objectives(owners):
    """A trait that one objective has is a branch of the loop for it."""
    read = {attribute: name for name, tree in LOOP.items() for attribute in read_by(tree)}
    assert read.keys() >= {"example", "fields", "terms", "weights", "units", "windows"}
    alone = {attribute: (place, owners(attribute)) for attribute, place in read.items() if len(owners(attribute)) < 2}
    assert alone == {}


@pytest.mark.parametrize(
    ("line", "attributes"),
    [
        ("job.objective.replaced_weight", {"replaced_weight"}),
        ('getattr(objective, "generator", None)', {"generator"}),
        ("from danlu.traits import models_within", {"models_within"}),
        ("from danlu.traits import EmbedsText, token_head", {"embeds_text", "token_head"}),
    ],
)
def test_what_a_line_reads_is_found(line, attributes):
    assert read_by(ast.parse(line)) == attributes


@pytest.mark.parametrize("trait", sorted(traits()))
def test_a_trait_is_documented_and_some_objective_has_it(trait, owners):
    """One is enough: a trait is what any objective may have, and the house asks for it by what it is."""
    documented = next(node for node in FILES["traits.py"].body if getattr(node, "name", "") == trait)
    assert ast.get_docstring(documented)  # type: ignore[arg-type]
    for attribute in traits()[trait]:
        assert owners(attribute), attribute
