"""Objectives and transformers classes are matched by head, independent of their names."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from danlu.architectures.presets import ENCODERS, FAMILIES, family_for
from danlu.architectures.presets.requirements import settings_mismatch
from danlu.architectures.transformer import Transformer
from danlu.errors import WrongInput
from danlu.hf_heads import HIDDEN_STATES, MASKED_LM, Head
from danlu.interop import export, load_model
from danlu.interop.blank_tokens import BLANKS
from danlu.interop.head_kinds import KINDS
from danlu.interop.headless import Headless, objective_of
from danlu.objective import with_hf_head
from danlu.objectives.causal import Causal
from danlu.objectives.masked import Masked
from danlu.registry import objectives


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_one_objective_with_its_head(family):
    made = objective_of(family.head, family.objective_settings)
    assert with_hf_head(family.head) == [made.name]
    assert made.hf_head == family.head
    assert family.head.kind in KINDS
    assert family.head.blank in BLANKS


def test_encoders_have_no_training_objective():
    for family in ENCODERS:
        assert family.head == HIDDEN_STATES
        assert objective_of(family.head, family.objective_settings) == Headless()
    assert with_hf_head(HIDDEN_STATES) == []
    assert objectives.validate("permutation").hf_head is None


def test_a_missing_head_is_described_by_the_objectives_that_have_it():
    assert settings_mismatch(Transformer(), Causal(), MASKED_LM, {}) == "train with objective masked (currently causal)"
    unknown_head = Head("TokenClassification")
    expected = "train with an objective with the head of AutoModelForTokenClassification (currently causal)"
    assert settings_mismatch(Transformer(), Causal(), unknown_head, {}) == expected
    with pytest.raises(WrongInput, match="trained with is unknown: none has its head, AutoModelForTokenClassification"):
        objective_of(unknown_head, {})


@pytest.fixture
def patient(monkeypatch):
    """Another masked language model, registered for this test only."""
    monkeypatch.setattr(objectives, "_classes", dict(objectives._classes))

    class Patient(Masked):
        name: Literal["patient"] = "patient"  # type: ignore[assignment]

    return objectives.register(Patient)()


def test_another_objective_with_a_known_head_is_exported(patient, make, tokenizer, tmp_path):
    network, _, architecture = make("modernbert", patient)
    made = export(network, tokenizer, tmp_path / "m", patient, architecture)
    assert made.class_name == "ModernBertForMaskedLM"
    assert "- trained with the patient objective by danlu" in (tmp_path / "m" / "README.md").read_text("utf-8")
    again, _ = load_model(tmp_path / "m")
    assert again.objective == patient
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
    assert "ModernBertForMaskedLM: set norm: layer (currently rms)" in family_for(Transformer(), patient).reason
    reason = settings_mismatch(Transformer(), Causal(), MASKED_LM, {})
    assert reason == "train with objective masked or patient (currently causal)"


def test_a_transformers_folder_needs_a_unique_objective_for_its_head(patient, make, tokenizer, tmp_path, monkeypatch):
    network, _, architecture = make("modernbert", patient)
    export(network, tokenizer, tmp_path / "m", patient, architecture)
    for name in ("danlu.json", "manifest.json"):
        (tmp_path / "m" / name).unlink()
    with pytest.raises(WrongInput, match="with is unknown: masked and patient have its head, AutoModelForMaskedLM"):
        load_model(tmp_path / "m")
    monkeypatch.delitem(objectives._classes, "masked")
    assert load_model(tmp_path / "m")[0].objective == patient


USES = {
    "llama": 'AutoModelForCausalLM.from_pretrained(folder)\ninputs = tokenizer("Once upon a time",',
    "bert": 'fill = pipeline("fill-mask", model=folder)\nprint(fill("The furnace is <mask>."))\n',
    "bert_pretraining": "AutoModelForPreTraining.from_pretrained(folder)",
    "electra": "AutoModelForPreTraining.from_pretrained(folder)",
    "t5": 'AutoModelForSeq2SeqLM.from_pretrained(folder)\ninputs = tokenizer("The furnace <extra_id_0> the pill.",',
    "bart": 'AutoModelForSeq2SeqLM.from_pretrained(folder)\ninputs = tokenizer("The furnace <mask> the pill.",',
}


@pytest.mark.parametrize("family", USES)
def test_the_model_card_shows_how_to_use_the_model(family, make, tokenizer, tmp_path):
    network, objective, architecture = make(family)
    export(network, tokenizer, tmp_path / "m", objective, architecture)
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert USES[family] in card
    assert f"pipeline_tag: {KINDS[objective.hf_head.kind].pipeline}\n" in card
    assert f"- trained with the {objective.name} objective by danlu" in card
    assert "{" not in card
