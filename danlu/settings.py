"""The base class of all settings."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from danlu.errors import nearest


class RenamedKey(FutureWarning):
    """A setting is given under its former name, which the next version will not accept."""


@contextmanager
def former_names_accepted() -> Iterator[None]:
    """Read what an earlier version of danlu saved: former names of settings give no warning while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RenamedKey)
        yield


class Settings(BaseModel):
    """Immutable and strict: an unknown key is an error that names the nearest known one."""

    renamed: ClassVar[Mapping[str, str]] = {}
    """Former names of settings that are still accepted, with a warning: {former: current}."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        data = cls._with_current_names(data)
        for key in data:
            if key not in cls.model_fields:
                facts = {"key": str(key), "advice": nearest(str(key), cls.model_fields)}
                raise PydanticCustomError("unknown_key", "unknown key '{key}'; {advice}", facts)
        return data

    @classmethod
    def _with_current_names(cls, data: dict[str, Any]) -> dict[str, Any]:
        former = {key for key in data if key in cls.renamed and key not in cls.model_fields}
        for key in former:
            if cls.renamed[key] in data:
                facts = {"key": key, "current": cls.renamed[key]}
                raise PydanticCustomError("renamed_key", "'{key}' is now called '{current}'; give it once", facts)
            warnings.warn(f"the setting {key!r} is now called {cls.renamed[key]!r}", RenamedKey, stacklevel=2)
        return {cls.renamed[key] if key in former else key: value for key, value in data.items()}
