"""Typed results: a run writes no undeclared key, and results round-trip through files."""

from __future__ import annotations

import pytest
from pydantic import BaseModel
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.durable import read_json
from danlu.results import ExampleStream, Results, TokenizerFacts, read_results


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    danlu.run(write_tiny_recipe(folder), out=folder / "run", quiet=True)
    return folder / "run"


def undeclared(value: object, place: str = "") -> list[str]:
    """The keys below a result that its classes do not declare."""
    if isinstance(value, BaseModel):
        own = [] if isinstance(value, TokenizerFacts) else [f"{place}.{key}" for key in value.model_extra or {}]
        return own + [found for key in value.model_fields_set for found in below(getattr(value, key), f"{place}.{key}")]
    return below(value, place)


def below(value: object, place: str) -> list[str]:
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in undeclared(inner, f"{place}.{key}")]
    if isinstance(value, list):
        return [found for inner in value for found in undeclared(inner, place)]
    return undeclared(value, place) if isinstance(value, BaseModel) else []


def test_every_key_of_a_run_is_declared(folder):
    assert undeclared(read_results(folder / "results.json")) == []


def test_results_round_trip(folder):
    found = read_json(folder / "results.json")
    assert Results.model_validate(found).json_facts() == found


def test_labels_that_an_earlier_version_recorded_keep_their_values_and_get_the_current_name():
    recorded = {"stream": "text", "tokens": ["a"], "targets": [None], "marks": {"next": "1"}}
    found = ExampleStream.model_validate(recorded)
    assert found.sequence_labels == {"next": "1"}
    del recorded["marks"]
    assert found.json_facts() == recorded | {"sequence_labels": {"next": "1"}}


def test_the_json_schema_has_the_stable_keys():
    schema = Results.model_json_schema()
    assert {"pretrain", "tasks", "exports"} <= schema["properties"].keys()
    assert {"bits_per_byte", "baselines", "parameters"} <= schema["$defs"]["ModelResult"]["properties"].keys()


def test_python_functions_print_their_progress_unless_quiet(tmp_path, capsys):
    recipe = write_tiny_recipe(tmp_path)
    danlu.run(recipe, out=tmp_path / "printed")
    printed = capsys.readouterr()
    assert "bits per byte on test documents" in printed.err
    assert "validation loss" in printed.err
    assert printed.out == ""
    for silent in ({"quiet": True}, {"say": None}):
        danlu.run(recipe, out=tmp_path / "printed", **silent)
        assert capsys.readouterr().err == ""
