"""Settings: unknown keys are errors, former names are accepted with a warning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
from pydantic import ValidationError

from danlu.settings import RenamedKey, Settings


class Layer(Settings):
    renamed: ClassVar[Mapping[str, str]] = {"hidden": "ffn_dim"}

    ffn_dim: int = 8


def test_a_former_name_is_accepted_with_a_warning_naming_the_new_one():
    with pytest.warns(RenamedKey, match="'hidden' is now called 'ffn_dim'"):
        assert Layer.model_validate({"hidden": 3}).ffn_dim == 3


def test_a_setting_under_both_names_is_refused():
    with pytest.raises(ValidationError, match="'hidden' is now called 'ffn_dim'; give it once"):
        Layer.model_validate({"hidden": 3, "ffn_dim": 4})


def test_a_former_name_is_not_written():
    with pytest.warns(RenamedKey):
        assert Layer.model_validate({"hidden": 3}).model_dump() == {"ffn_dim": 3}


def test_an_unknown_key_is_refused_with_a_suggestion():
    with pytest.raises(ValidationError, match="unknown key 'ffn_dims'; did you mean 'ffn_dim'"):
        Layer.model_validate({"ffn_dims": 3})
