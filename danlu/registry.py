"""Registries of everything a recipe can choose by name; help, reference and JSON schema are derived from them."""

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
"""The key of the mark that a field of registered things leaves in a JSON schema."""

S = TypeVar("S", bound=type[Settings])


class Registry:
    """Settings classes by the value of their `name` field.

    Other packages add theirs under the entry point group `danlu.<kind>s`: each entry is a module or class whose
    import registers it.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self.base: type[Settings] = Settings
        """What every registered class must derive from; the module of the base class sets it."""
        self._classes: dict[str, type[Settings]] = {}
        self._loaded = False

    def register(self, cls: S) -> S:
        """Class decorator. The class carries `name: Literal["..."] = "..."`; two classes of one name are refused."""
        if not issubclass(cls, self.base):
            raise TypeError(f"{cls.__name__} is registered as {self.kind}, so it must derive from {self.base.__name__}")
        name = cls.model_fields["name"].default
        if self._classes.get(name, cls) is not cls:
            raise ValueError(f"two {self.kind}s are called {name!r}")
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
        """`"causal"`, `{"name": "causal", ...}` or a ready object; settings errors keep their place in the recipe."""
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
        """Every registered class, by name."""
        return (self[name] for name in self)

    def choice(self) -> Any:
        """The type of a settings field that holds one of the registered things."""
        return Annotated[Any, RegistryField(self)]


@dataclass(frozen=True)
class RegistryField:
    """How pydantic validates, writes and describes a field that holds a registered thing."""

    registry: Registry

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.registry.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda chosen: chosen.model_dump(mode="json")
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """A mark that `danlu.config.json_schema` replaces by a reference to the union of everything registered."""
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
"""All of them: what reference, JSON schema and tests go through."""
