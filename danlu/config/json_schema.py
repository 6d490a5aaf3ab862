"""The JSON schema of recipes, with which an editor completes and checks them; generated from the settings classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from danlu.config.schema import ModelRecipe, Recipe
from danlu.registry import CHOICE, REGISTRIES
from danlu.settings import Settings

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
FROM_FOLDER = ("objective", "architecture")
"""Keys of a model that its `start` folder supplies where the recipe leaves them out."""


def recipe_schema() -> Schema:
    """The complete schema of a recipe.

    Everything registered is a union discriminated by `name`; a name alone stands for the default settings. Former
    names of settings are included and marked as deprecated.
    """
    registered = [cls for registry in REGISTRIES for cls in registry.classes()]
    refs, generated = models_json_schema([(cls, "validation") for cls in (Recipe, *registered)])
    definitions: Schema = generated["$defs"]
    keys = {cls: refs[cls, "validation"]["$ref"].rpartition("/")[2] for cls in (Recipe, *registered)}
    for cls in settings_classes():
        if found := definitions.get(cls.__name__):
            add_former_names(cls, found)
    for registry in REGISTRIES:
        definitions[registry.kind] = union({name: keys[registry[name]] for name in registry})
    supplied_by_start(definitions[ModelRecipe.__name__])
    whole = definitions.pop(keys[Recipe])
    return with_references({"$schema": DIALECT, "title": "danlu recipe", **whole, "$defs": definitions})


def settings_classes(cls: type[Settings] = Settings) -> Iterator[type[Settings]]:
    """Every class derived from Settings."""
    for below in cls.__subclasses__():
        yield below
        yield from settings_classes(below)


def union(keys: dict[str, str]) -> Schema:
    """One of the registered classes (`{name: key in $defs}`), or its name alone."""
    return {
        "anyOf": [
            {"enum": list(keys)},
            {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"enum": list(keys)}},
                "discriminator": {"propertyName": "name"},
                "oneOf": [{"$ref": f"#/$defs/{key}"} for key in keys.values()],
            },
        ]
    }


def add_former_names(cls: type[Settings], schema: Schema) -> None:
    """Accept the former name of a setting for the current one, as a recipe does with a warning."""
    properties = schema.get("properties", {})
    for former, name in cls.renamed.items():
        if former not in properties:
            properties[former] = properties[name] | {"deprecated": True, "description": f"Former name of {name}."}


def supplied_by_start(model: Schema) -> None:
    """A model with `start` need not say its objective and architecture, or may give changed settings without a name."""
    model["required"] = [key for key in model.get("required", ()) if key not in FROM_FOLDER]
    choices = {key: model["properties"][key] for key in FROM_FOLDER}
    nameless = {"type": "object", "not": {"required": ["name"]}}
    for key, choice in choices.items():
        described = {name: text for name, text in choice.items() if name != CHOICE}
        model["properties"][key] = {"anyOf": [choice, nameless], **described}
    model["if"] = {"required": ["start"], "properties": {"start": {"type": "string"}}}
    model["else"] = {"required": list(FROM_FOLDER), "properties": choices}


def with_references(schema: Any) -> Any:
    """Replace the mark of each field of registered things by a reference to their union."""
    if isinstance(schema, list):
        return [with_references(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: with_references(value) for key, value in schema.items() if key != CHOICE}
    return found | ({"$ref": f"#/$defs/{schema[CHOICE]}"} if CHOICE in schema else {})
