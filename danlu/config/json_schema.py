"""Generate the JSON schema of recipes from the settings classes, for completion and checks in editors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic.json_schema import models_json_schema

from danlu.config.schema import ModelRecipe, Recipe
from danlu.config.start_defaults import FROM_FOLDER
from danlu.registry import CHOICE, REGISTRIES
from danlu.settings import Settings

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> Schema:
    """Return the complete schema of a recipe.

    Registered classes of one kind form a union discriminated by `name`; a name alone stands for the default settings.
    Former names of settings are included and marked as deprecated.
    """
    registered = [cls for registry in REGISTRIES for cls in registry.classes()]
    refs, generated = models_json_schema([(cls, "validation") for cls in (Recipe, *registered)])
    definitions: Schema = generated["$defs"]
    keys = {cls: refs[cls, "validation"]["$ref"].rpartition("/")[2] for cls in (Recipe, *registered)}
    for cls in settings_classes():
        if definition := definitions.get(cls.__name__):
            add_former_names(cls, definition)
    for registry in REGISTRIES:
        definitions[registry.kind] = union_schema({name: keys[registry[name]] for name in registry})
    allow_start(definitions[ModelRecipe.__name__])
    recipe = definitions.pop(keys[Recipe])
    return resolve_references({"$schema": DIALECT, "title": "danlu recipe", **recipe, "$defs": definitions})


def settings_classes(cls: type[Settings] = Settings) -> Iterator[type[Settings]]:
    """Yield every class derived from Settings."""
    for subclass in cls.__subclasses__():
        yield subclass
        yield from settings_classes(subclass)


def union_schema(keys: dict[str, str]) -> Schema:
    """Return the schema of one of the registered classes (`{name: key in $defs}`), or its name alone."""
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
    """Accept the former names of settings, as recipes do with a warning."""
    properties = schema.get("properties", {})
    for former, name in cls.renamed.items():
        if former not in properties:
            properties[former] = properties[name] | {"deprecated": True, "description": f"Former name of {name}."}


def allow_start(model: Schema) -> None:
    """Make objective and architecture optional for a model with `start`, and their names too."""
    model["required"] = [key for key in model.get("required", ()) if key not in FROM_FOLDER]
    choices = {key: model["properties"][key] for key in FROM_FOLDER}
    nameless = {"type": "object", "not": {"required": ["name"]}}
    for key, choice in choices.items():
        annotations = {name: text for name, text in choice.items() if name != CHOICE}
        model["properties"][key] = {"anyOf": [choice, nameless], **annotations}
    model["if"] = {"required": ["start"], "properties": {"start": {"type": "string"}}}
    model["else"] = {"required": list(FROM_FOLDER), "properties": choices}


def resolve_references(schema: Any) -> Any:
    """Replace the marker of each field of registered classes by a reference to their union."""
    if isinstance(schema, list):
        return [resolve_references(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    resolved = {key: resolve_references(value) for key, value in schema.items() if key != CHOICE}
    return resolved | ({"$ref": f"#/$defs/{schema[CHOICE]}"} if CHOICE in schema else {})
