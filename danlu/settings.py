"""The base of everything a recipe can say."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

from danlu.errors import nearest


class Settings(BaseModel):
    """Immutable and strict: an unknown key is an error that names the nearest known one, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, data: Any) -> Any:
        if isinstance(data, dict):
            for key in data:
                if key not in cls.model_fields:
                    facts = {"key": str(key), "advice": nearest(str(key), cls.model_fields)}
                    raise PydanticCustomError("unknown_key", "unknown key '{key}'; {advice}", facts)
        return data
