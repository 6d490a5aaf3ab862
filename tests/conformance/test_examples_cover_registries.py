"""The conformance suite covers everything registered."""

from __future__ import annotations

from typing import Literal

import pytest
from examples import ARCHITECTURES, OBJECTIVES, TASKS, example_of
from pairs import LEARNABLE, PAIRS, QUICK, VARIANTS, fits

from danlu.objectives.causal import Causal
from danlu.registry import architectures, objectives, tasks

TABLES = {"objective": (objectives, OBJECTIVES), "architecture": (architectures, ARCHITECTURES), "task": (tasks, TASKS)}


@pytest.mark.parametrize("kind", TABLES)
def test_every_registered_name_has_valid_settings_and_every_example_is_registered(kind):
    registry, table = TABLES[kind]
    for name in registry:
        assert registry.validate(example_of(kind, name, table)).name == name
    assert set(table) <= set(registry)


@pytest.mark.parametrize("kind", TABLES)
def test_a_name_without_a_line_gets_small_settings(kind):
    registry, table = TABLES[kind]
    name = {"objective": "causal", "architecture": "gpt2", "task": "classify"}[kind]
    found = example_of(kind, name, {})
    assert found == {"name": name, **table[name]}
    assert registry.validate(found).name == name


def test_a_setting_without_default_fails_with_the_line_to_add(monkeypatch):
    monkeypatch.setattr(objectives, "_classes", dict(objectives._classes))

    @objectives.register
    class Inverted(Causal):
        name: Literal["inverted"] = "inverted"  # type: ignore[assignment]
        axis: int

    line = "'inverted' has no default for axis: add an entry .* to OBJECTIVES in tests/conformance/examples.py"
    with pytest.raises(AssertionError, match=line):
        example_of("objective", "inverted", OBJECTIVES)


def test_the_suite_covers_every_pair():
    assert len(PAIRS) == len(LEARNABLE) * len(VARIANTS)
    assert {name.partition(":")[0] for name in VARIANTS} == set(architectures)
    assert {x.split(":")[1] for x in LEARNABLE} >= {*objectives, *tasks}


def test_the_quick_pairs_cover_every_objective_task_and_architecture():
    """`make test-all` adds only further combinations."""
    assert {learnable for learnable, _ in QUICK} == set(LEARNABLE)
    assert {architecture for _, architecture in QUICK} == set(VARIANTS)
    assert all(fits(*pair) for pair in QUICK)
    assert len(QUICK) < 0.1 * len(PAIRS)
