"""No other file names an objective, and the loop reads only members that serve several objectives; checked in the
source of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import danlu
import danlu.objectives
from danlu.batch import ATTENTION_ORDERS
from danlu.objective import Objective
from danlu.registry import objectives

ROOT = Path(danlu.__file__).parent
FILES = {path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.py"))}
INSIDE = {name: tree for name, tree in FILES.items() if name.startswith("objectives/")}
OUTSIDE = {name: tree for name, tree in FILES.items() if name not in INSIDE}

NAMES = frozenset(objectives)
CLASSES = {objectives[name].__name__: objectives[name].__module__ for name in NAMES}
MODULES = {module for module in CLASSES.values() if module.startswith("danlu.")}

ORDERS = NAMES & ATTENTION_ORDERS.keys()
"""Names that are also attention orders (`danlu.batch.ATTENTION_ORDERS`)."""

USE_ORDERS = {
    "architectures/bag.py",
    "architectures/convolutional.py",
    "architectures/hybrid/hybrid.py",
    "architectures/recurrent.py",
    "architectures/recurrent_decoder.py",
    "architectures/transformer/decoder.py",
    "architectures/transformer/layout.py",
    "architectures/transformer/orders.py",
    "architectures/transformer/backbone.py",
    "architectures/transformer/varlen.py",
    "tasks/text_classifier.py",
    "batch.py",
    "objective.py",
}
"""Files in which such a name is an attention order that a model offers, needs or reads in. The list is maintained by
hand, since the two meanings of a name cannot be distinguished automatically."""

LOOP = {name: tree for name, tree in FILES.items() if name.startswith("training/")} | {
    name: FILES[name] for name in ("packing.py", "runs/pretrain_model.py")
}


def words(node: ast.AST) -> Iterator[ast.Constant]:
    """The string constants in a tree that are names of objectives."""
    return (n for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value in NAMES)


def called(node: ast.AST, *names: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def is_name(node: ast.AST) -> bool:
    """Whether a node reads a name: `x.name`, `getattr(x, "name")`."""
    if called(node, "getattr"):
        return getattr(node.args[1], "value", "") == "name"  # type: ignore[attr-defined]
    return isinstance(node, ast.Attribute) and node.attr == "name"


def naming(tree: ast.AST, orders: bool) -> list[str]:
    """Return where a file outside danlu/objectives names an objective. With `orders`, a name may be an attention order
    unless it is compared with a name."""
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


def distinguishing(tree: ast.AST) -> list[str]:
    """Return where a file in danlu/objectives checks which objective something is. The names are also terms and labels
    there, so only comparisons count: one side of == or !=, a member of a literal, a case, a class."""
    found = []
    for node in ast.walk(tree):
        compared: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            equal = any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
            compared = [s for s in sides if isinstance(s, ast.Constant) and equal]
            compared += [s for s in sides if isinstance(s, ast.Tuple | ast.List | ast.Set | ast.Dict)]
        elif isinstance(node, ast.MatchValue):
            compared = [node.value]
        found += [f"{word.lineno}: {word.value!r}" for part in compared for word in words(part)]
        if called(node, "isinstance", "issubclass"):
            kinds = [n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)]  # type: ignore[attr-defined]
            found += [f"{node.lineno}: {kind}" for kind in kinds if kind in CLASSES]  # type: ignore[attr-defined]
    return found


def test_nothing_outside_names_an_objective():
    found = {name: naming(tree, name in USE_ORDERS) for name, tree in OUTSIDE.items()}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_every_file_that_may_use_an_order_uses_one():
    assert {name for name, tree in OUTSIDE.items() if any(word.value in ORDERS for word in words(tree))} == USE_ORDERS


def test_no_objective_checks_which_objective_another_is():
    assert {name: lines for name, tree in INSIDE.items() if (lines := distinguishing(tree))} == {}


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
def test_a_line_that_names_an_objective_is_found(line):
    assert naming(ast.parse(line), orders=False)


@pytest.mark.parametrize("line", ['objective.name == "causal"', 'getattr(x, "name") == "causal"'])
def test_an_order_compared_with_a_name_is_found(line):
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
def test_a_line_that_distinguishes_objectives_is_found(line):
    assert distinguishing(ast.parse(line))
    assert not distinguishing(ast.parse('"masked" in labels\nlabels["masked"] >= 0\nkind == "average"'))


def is_objective(node: ast.AST) -> bool:
    """`objective`, `job.objective`, ..."""
    return getattr(node, "id" if isinstance(node, ast.Name) else "attr", None) == "objective"


def read_by(tree: ast.AST) -> set[str]:
    """The attributes of an objective that a file reads."""
    return {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_objective(n.value)}


def members() -> set[str]:
    """The public members that `Objective` itself declares."""
    return {name for name in vars(Objective) if not name.startswith(("_", "model_config", "model_fields"))}


OPTIONAL = {name for name in members() if name not in Objective.__abstractmethods__}


def overridden(cls: type, name: str) -> bool:
    return any(name in vars(base) for base in cls.__mro__[: cls.__mro__.index(Objective)])


def owners(name: str) -> list[str]:
    """The registered objectives whose class defines a member itself."""
    return sorted(key for key in NAMES if overridden(objectives[key], name))


def test_every_objective_derives_from_the_base_class():
    assert all(issubclass(objectives[name], Objective) for name in NAMES)


def test_no_file_probes_an_objective_or_an_architecture_for_a_member():
    compared = {"objective", "architecture", "task", "backbone", "decoder", "o", "registry[name]"}
    found = {
        f"{name}:{n.lineno}"
        for name, tree in FILES.items()
        for n in ast.walk(tree)
        if called(n, "hasattr", "getattr") and ast.unparse(n.args[0]).rpartition(".")[2] in compared  # type: ignore[attr-defined]
    }
    assert found == set()


def test_members_that_the_loop_reads_are_declared_by_the_base_class():
    read = {attribute: name for name, tree in LOOP.items() for attribute in read_by(tree)}
    assert read.keys() >= {"example", "streams", "terms", "term_weights", "units", "units_per_example"}
    assert {attribute: place for attribute, place in read.items() if attribute not in members()} == {}


DERIVED = {
    "count_targets",
    "class_labels_of",
    "is_cross_entropy",
    "reads_tokens",
    "has_own_units",
    "needs_blank",
    "origin",
}
"""Members that the base class computes from others; an objective may override them but need not."""


def test_members_that_the_loop_reads_serve_several_objectives():
    """A member that only one objective overrides would be a branch of the loop for that objective."""
    read = {attribute: name for name, tree in LOOP.items() for attribute in read_by(tree)}
    alone = {a: (place, owners(a)) for a, place in read.items() if a in OPTIONAL - DERIVED and len(owners(a)) == 1}
    assert alone == {}


@pytest.mark.parametrize("name", sorted(OPTIONAL - DERIVED))
def test_some_objective_overrides_each_optional_member(name):
    assert owners(name)


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_an_optional_member_is_documented(name):
    value = vars(Objective)[name]
    function = value.fget if isinstance(value, property) else value
    assert not callable(function) or function.__doc__
