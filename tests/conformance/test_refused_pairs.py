"""Every pair is either compatible or refused in one sentence that names compatible choices."""

from __future__ import annotations

from typing import Literal

import pytest
from pairs import PAIRS, architecture_of, honours, pair_of
from toy_language import VOCABULARY

from danlu.architectures import build_network
from danlu.architectures.network import models_of
from danlu.errors import WrongInput
from danlu.objective import incompatibility
from danlu.registry import Registry, architectures, objectives


@pytest.mark.parametrize(("learnable", "architecture"), PAIRS)
def test_a_pair_is_built_or_refused(learnable, architecture, tmp_path):
    found = pair_of(learnable, architecture, tmp_path)
    sentence = incompatibility(found.objective, models_of(found.architecture), found.architecture.name)
    assert (sentence is None) == honours(found.objective.needs, found.architecture)
    if sentence is None:
        found.network()
    else:
        with pytest.raises(WrongInput) as refused:
            found.network()
        assert str(refused.value) == sentence
        assert "\n" not in sentence


@pytest.fixture
def causal_only(monkeypatch):
    """An architecture that only offers causal order, registered for this test alone."""
    monkeypatch.setattr(architectures, "_classes", dict(architectures._classes))

    class CausalOnly(type(architecture_of("transformer"))):
        name: Literal["causal_only"] = "causal_only"

        def build(self):
            backbone = super().build()
            backbone.offers = frozenset({"causal"})
            return backbone

    architectures.register(CausalOnly)
    return architectures.validate({"name": "causal_only", "layers": 1, "width": 8, "heads": 2, "context": 8})


@pytest.mark.parametrize("objective", ["masked", {"name": "mixture", "of": {"a": "causal", "b": "masked"}}])
def test_masked_is_refused_by_a_causal_architecture(causal_only, objective):
    chosen = objectives.validate(objective)
    with pytest.raises(WrongInput) as refused:
        build_network(chosen, causal_only, VOCABULARY.size, seed=0)
    assert str(refused.value) == f"{chosen.name} needs an architecture with full attention; causal_only offers causal"


def test_causal_is_accepted_by_a_causal_architecture(causal_only):
    assert build_network(objectives.validate("causal"), causal_only, VOCABULARY.size, seed=0).width == 8


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(WrongInput, match="no objective is called 'maskd'; did you mean 'masked'"):
        objectives["maskd"]


def test_two_classes_with_one_name_are_refused(causal_only):
    with pytest.raises(ValueError, match="two architectures have the name 'causal_only'"):

        @architectures.register
        class Other(type(architecture_of("transformer"))):
            name: Literal["causal_only"] = "causal_only"


def test_a_new_registry_is_empty():
    assert list(Registry("nothing of this name")) == []
