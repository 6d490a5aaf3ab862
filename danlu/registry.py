"""Registries of the classes that a recipe selects by name; help, reference and JSON schema are derived from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Annotated, Any, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from danlu.errors import WrongInput, nearest
from danlu.settings import Settings

CHOICE = "x-danlu-choice"
"""Key in a JSON schema that marks a field whose values are registered classes."""

S = TypeVar("S", bound=type[Settings])


class Registry:
    """Settings classes, by the default of their `name` field.

    Other packages register classes through the entry point group `danlu.<kind>s`: each entry point refers to a module
    or class whose import registers it.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self.base: type[Settings] = Settings
        """Base class of all registered classes; the module that defines the base class sets it."""
        self._classes: dict[str, type[Settings]] = {}
        self._loaded = False

    def register(self, cls: S) -> S:
        """Register a class under the default of its field `name: Literal["..."] = "..."`; a class decorator.

        Raises:
            TypeError: if the class does not derive from the base class of the registry.
            ValueError: if another class has the same name.
        """
        if not issubclass(cls, self.base):
            raise TypeError(f"{cls.__name__} is registered as {self.kind}, so it must derive from {self.base.__name__}")
        name = cls.model_fields["name"].default
        if self._classes.get(name, cls) is not cls:
            raise ValueError(f"two {self.kind}s have the name {name!r}")
        self._classes[name] = cls
        return cls

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            for entry in entry_points(group=f"danlu.{self.kind}s"):
                entry.load()

    def __getitem__(self, name: str) -> type[Settings]:
        self._load()
        if name not in self._classes:
            raise WrongInput(f"no {self.kind} is called {name!r}; {nearest(name, self._classes)}")
        return self._classes[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._classes))

    def __len__(self) -> int:
        self._load()
        return len(self._classes)

    def validate(self, value: Any) -> Settings:
        """Return the settings object for `"causal"`, `{"name": "causal", ...}` or an object that already is one.

        Errors in the settings keep their place in the recipe.
        """
        if isinstance(value, Settings):
            return value
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, dict) or not isinstance(value.get("name"), str):
            raise ValueError(f"name one of: {', '.join(self)}")
        try:
            cls = self[value["name"]]
        except WrongInput as error:
            raise ValueError(str(error)) from None
        return cls.model_validate(value)

    def classes(self) -> Iterator[type[Settings]]:
        """Return the registered classes in the order of their names."""
        return (self[name] for name in self)

    def choice(self) -> Any:
        """Return the type of a settings field whose value is an instance of a registered class."""
        return Annotated[Any, RegistryField(self)]


@dataclass(frozen=True)
class RegistryField:
    """Validation, serialisation and JSON schema of a field whose value is an instance of a registered class."""

    registry: Registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.registry.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda settings: settings.model_dump(mode="json")
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return a marker that `danlu.config.json_schema` replaces by a reference to the union of the classes."""
        return {CHOICE: self.registry.kind}


objectives = Registry("objective")
architectures = Registry("architecture")
optimizers = Registry("optimizer")
schedules = Registry("schedule")
tasks = Registry("task")
metrics = Registry("metric")
tokenizers = Registry("tokenizer")
filters = Registry("filter")
trackers = Registry("tracker")

REGISTRIES = (objectives, architectures, optimizers, schedules, tasks, metrics, tokenizers, filters, trackers)
"""All registries, in the order of the reference."""
