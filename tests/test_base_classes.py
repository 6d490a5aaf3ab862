"""Base classes refuse misspelt, incomplete or unrelated classes when a class is defined."""

from __future__ import annotations

from typing import Literal

import pytest

from danlu.architecture import Architecture
from danlu.objective import Objective
from danlu.objectives.causal import Causal
from danlu.registry import architectures, objectives
from danlu.settings import Settings


def test_a_misspelt_member_is_refused_with_the_right_name():
    with pytest.raises(TypeError, match="blank_logit: Objective has no such member; did you mean 'blank_logits'"):

        class Misspelt(Causal):
            def blank_logit(self, model, head, hidden):
                return hidden


def test_parameters_that_differ_from_the_base_class_are_refused():
    with pytest.raises(TypeError, match=r"judge takes \['self', 'model', 'batches'\]"):

        class Renamed(Causal):
            def judge(self, model, batches):
                return {}


def test_helpers_of_an_objective_may_have_any_other_name():
    class Shifted(Causal):
        def shifted_sequence(self, piece):
            return piece

    assert Shifted().terms == ("causal",)


def test_an_objective_without_its_required_members_cannot_be_created():
    class Half(Objective):
        name: Literal["half"] = "half"

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_an_architecture_without_its_required_settings_is_refused():
    with pytest.raises(TypeError, match="Bare lacks the setting context, tied, width"):

        class Bare(Architecture):
            name: Literal["bare"] = "bare"

            def build(self):
                raise AssertionError


@pytest.mark.parametrize("registry", [objectives, architectures])
def test_only_classes_of_the_base_class_are_registered(registry):
    with pytest.raises(TypeError, match=f"must derive from {registry.base.__name__}"):

        @registry.register
        class Other(Settings):
            name: Literal["other"] = "other"
