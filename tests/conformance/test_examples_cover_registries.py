"""Nothing registered escapes the suite."""

from __future__ import annotations

import pytest
from examples import ARCHITECTURES, OBJECTIVES, TASKS, example_of
from pairs import LEARNABLE, PAIRS, VARIANTS

from danlu.registry import architectures, objectives, tasks

TABLES = {"objective": (objectives, OBJECTIVES), "architecture": (architectures, ARCHITECTURES), "task": (tasks, TASKS)}


@pytest.mark.parametrize("kind", TABLES)
def test_every_registered_name_has_an_example_and_every_example_is_registered(kind):
    registry, table = TABLES[kind]
    for name in registry:
        registry.validate(example_of(kind, name, table))
    assert set(table) == set(registry)


def test_a_name_without_example_is_answered_with_what_to_add():
    line = (
        "the objective 'inverted' is registered but .* add one line .* to OBJECTIVES in tests/conformance/examples.py"
    )
    with pytest.raises(AssertionError, match=line):
        example_of("objective", "inverted", OBJECTIVES)


def test_every_pair_is_under_the_suite():
    assert len(PAIRS) == len(LEARNABLE) * len(VARIANTS)
    assert {name.partition(":")[0] for name in VARIANTS} == set(architectures)
    assert {x.split(":")[1] for x in LEARNABLE} >= {*objectives, *tasks}
