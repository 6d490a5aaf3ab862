"""`Settings`, the base class of all settings, and helpers for validation errors."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from danlu.errors import RenamedKey, nearest

Place = tuple[str | int, ...]
"""The path of a value in nested settings: keys and indices."""


@contextmanager
def former_names_accepted() -> Iterator[None]:
    """Context manager for loading files of earlier versions: former names of settings give no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RenamedKey)
        yield


class Settings(BaseModel):
    """Base class of settings: immutable, and strict about unknown keys, for which it suggests the nearest known one."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of settings that are still accepted, with a warning: {former: current}."""

    # use_attribute_docstrings: a docstring below a field is its description, like Field(description=...)
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _current_names(cls, data: Any) -> Any:
        return cls._with_current_names(data) if isinstance(data, dict) else data

    @model_validator(mode="wrap")
    @classmethod
    def _advise(cls, data: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        """Report unknown keys together with all other errors, each with the nearest known key."""
        try:
            return handler(data)
        except ValidationError as error:
            raise errors_at(cls.__name__, [cls._advised(details) for details in as_details(error)]) from None

    @classmethod
    def _advised(cls, details: InitErrorDetails) -> InitErrorDetails:
        loc, kind = details.get("loc", ()), details["type"]
        if len(loc) != 1 or not isinstance(kind, PydanticCustomError) or kind.type != "extra_forbidden":
            return details
        facts = {"key": str(loc[0]), "advice": nearest(str(loc[0]), cls.model_fields)}
        kind = PydanticCustomError("unknown_key", "unknown key '{key}'; {advice}", facts)
        return InitErrorDetails(type=kind, loc=loc, input=details["input"])

    @classmethod
    def _with_current_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        former = {key for key in data if key in cls.renamed and key not in cls.model_fields}
        for key in former:
            if cls.renamed[key] in data:
                facts = {"key": key, "current": cls.renamed[key]}
                raise PydanticCustomError("renamed_key", "'{key}' is now called '{current}'; give it once", facts)
            warnings.warn(f"the setting {key!r} is now called {cls.renamed[key]!r}", RenamedKey, stacklevel=2)
        return {cls.renamed[key] if key in former else key: value for key, value in data.items()}


def as_details(error: ValidationError) -> list[InitErrorDetails]:
    """Return the errors in `error` in the form in which pydantic raises them again."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(
                found["type"],  # type: ignore[arg-type]
                "{message}",
                found.get("ctx", {}) | {"message": found["msg"]},
            ),
            loc=found["loc"],
            input=found["input"],
        )
        for found in error.errors(include_url=False)
    ]


def error_at(place: Place, message: str, value: Any = None) -> InitErrorDetails:
    """Return an error about the value at `place` in the settings."""
    return InitErrorDetails(
        type=PydanticCustomError("misplaced", "{message}", {"message": message}), loc=place, input=value
    )


def errors_at(title: str, details: Sequence[InitErrorDetails]) -> ValidationError:
    """Combine several errors, each with its place, into one exception."""
    return ValidationError.from_exception_data(title, list(details))
