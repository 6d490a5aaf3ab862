"""No module of danlu imports itself indirectly, package `__init__` files included."""

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def order(imports):
    return list(TopologicalSorter(imports).static_order())


def test_no_import_cycles():
    graph = grimp.build_graph("danlu", exclude_type_checking_imports=True, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert sum(map(len, imports.values())) > 500
    assert len(order(imports)) == len(imports)


def test_a_cycle_is_detected():
    with pytest.raises(CycleError):
        order({"a": {"b"}, "b": {"c"}, "c": {"a"}})
