"""The base class of all settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from danlu.errors import RenamedKey, nearest

Place = tuple[str | int, ...]
"""The keys that lead to a value within settings."""


@contextmanager
def former_names_accepted() -> Iterator[None]:
    """Load what an earlier version of danlu saved: former names of settings give no warning in this block."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RenamedKey)
        yield


class Settings(BaseModel):
    """Immutable and strict: an unknown key is an error that names the nearest known one."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of settings that are still accepted, with a warning: {former: current}."""

    # a string below a field describes it, as Field(description=...) does
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
    """The errors in `error`, to be raised again together with others."""
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
    """An error in a value that lies at `place` within the settings that are validated."""
    return InitErrorDetails(
        type=PydanticCustomError("misplaced", "{message}", {"message": message}), loc=place, input=value
    )


def errors_at(title: str, details: Sequence[InitErrorDetails]) -> ValidationError:
    """One exception of several errors, each at its place."""
    return ValidationError.from_exception_data(title, list(details))
