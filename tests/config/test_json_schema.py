"""The JSON schema of recipes accepts and refuses the same recipes as danlu."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from danlu.config.json_schema import recipe_schema
from danlu.config.loading import find_recipe, load_recipe, parse_yaml, shipped_recipes, to_builtin_types
from danlu.registry import REGISTRIES, objectives

SMALL = {
    "corpus": {"source": "text.txt"},
    "models": {
        "a": {
            "objective": "causal",
            "architecture": {"name": "transformer", "layers": 1},
            "training": {"budget": "5min", "optimizer": {"name": "adamw", "learning_rate": 3e-4}},
        }
    },
}


PAIRS = ("next_sentence", "sentence_order")
MASKED = (0.15, True, False, 0, None, {"rate": 0.2}, {"unit": "word"})
NOT_MASKED = (1.5, -0.1, "often", [0.15], {"rat": 0.2})


@pytest.fixture(scope="module")
def validator():
    schema = recipe_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def changed(place, value):
    """SMALL with another value at a dotted place."""
    recipe = json.loads(json.dumps(SMALL))
    *parents, last = place.split(".")
    at = recipe
    for key in parents:
        at = at[key]
    at[last] = value
    return recipe


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_validate(validator, name):
    assert [
        error.message for error in validator.iter_errors(to_builtin_types(parse_yaml(find_recipe(name)[0], name)))
    ] == []


@pytest.mark.parametrize("name", shipped_recipes())
def test_resolved_recipes_validate(validator, name):
    assert [error.message for error in validator.iter_errors(load_recipe(name).model_dump(mode="json"))] == []


def test_every_registered_name_is_in_the_schema(validator):
    for registry in REGISTRIES:
        shorthand, whole = validator.schema["$defs"][registry.kind]["anyOf"]
        assert shorthand["enum"] == list(registry)
        names = [validator.schema["$defs"][ref["$ref"].rpartition("/")[2]] for ref in whole["oneOf"]]
        assert [found["properties"]["name"]["const"] for found in names] == list(registry)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("models.a.start", "runs/one/model"),
        ("models.a", {"start": "runs/one/model"}),
        ("models.a", {"start": "runs/one/model", "architecture": {"dropout": 0.1}}),
        ("models.a.objective", {"name": "masked", "rate": 0.3}),
        *(("models.a.objective", {"name": name, "masked": value}) for name in PAIRS for value in MASKED),
        ("corpus.source", ["a.txt", "b.txt"]),
        ("tokenizer", "byte"),
        ("corpus.clean", ["spaces", {"name": "length"}]),
    ],
)
def test_valid_recipes_validate(validator, place, value):
    assert [error.message for error in validator.iter_errors(changed(place, value))] == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("corpuss", {}),
        ("models.a.trianing", {}),
        ("models.a.objective", "casual"),
        ("models.a.objective", {"name": "masked", "rat": 0.3}),
        ("models.a.objective", {"name": "masked", "rate": 3}),
        ("models.a.objective", {"rate": 0.3}),
        *(("models.a.objective", {"name": name, "masked": value}) for name in PAIRS for value in NOT_MASKED),
        ("models.a.architecture", {"name": "transformer", "layer": 1}),
        ("models.a.training.optimizer", {"name": "adamw", "rate": 1}),
        ("models.a.training.budget", "soon"),
        ("models.a", {"objective": "causal"}),
        ("corpus.clean", ["space"]),
    ],
)
def test_invalid_recipes_do_not_validate(validator, place, value):
    assert list(validator.iter_errors(changed(place, value)))


@pytest.mark.parametrize("name", PAIRS)
def test_the_masked_setting_of_pairs_agrees_with_the_schema(name):
    for value in MASKED:
        objectives.validate({"name": name, "masked": value})
    for value in NOT_MASKED:
        with pytest.raises(ValidationError):
            objectives.validate({"name": name, "masked": value})
