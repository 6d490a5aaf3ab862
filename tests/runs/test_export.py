"""Export of a run or a model folder, checked against transformers."""

from __future__ import annotations

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.api import export as publishing
from danlu.errors import DanluError, WrongInput

pytest.importorskip("transformers")
FITTING = "models.small.architecture={name: qwen3, layers: 1, width: 16, heads: 2, context: 16}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    danlu.run(write_tiny_recipe(folder), [FITTING], out=folder / "run")
    return folder / "run"


def test_a_run_is_exported_with_equal_logits_and_its_origin(run, tmp_path):
    facts = danlu.export_model(run, tmp_path / "hf")
    assert facts["class"] == "Qwen3ForCausalLM"
    assert facts["max_logit_difference"] <= facts["tolerance"]
    assert "trained on: " in (tmp_path / "hf" / "README.md").read_text("utf-8")
    made = danlu.load(tmp_path / "hf").generate("The", tokens=5, seed=1)
    assert made == danlu.load(run).generate("The", tokens=5, seed=1)
    again = danlu.export_model(tmp_path / "hf", tmp_path / "again")
    weights = [(tmp_path / folder / "model.safetensors").read_bytes() for folder in ("hf", "again")]
    assert weights[0] == weights[1]
    assert again["max_logit_difference"] == facts["max_logit_difference"]


def test_logits_that_differ_are_an_error(run, tmp_path, monkeypatch):
    monkeypatch.setattr(publishing, "check_export", lambda *_: 0.5)
    with pytest.raises(DanluError, match=r"the logits differ by 5.0e-01") as failed:
        danlu.export_model(run, tmp_path / "hf")
    assert failed.value.code == 1


def test_impossible_exports_are_refused(run, tmp_path):
    danlu.pretrain(write_tiny_recipe(tmp_path), out=tmp_path / "own")
    with pytest.raises(WrongInput, match=r"own/model/small cannot be exported: Qwen3ForCausalLM: set qk_norm: true"):
        danlu.export_model(tmp_path / "own", tmp_path / "hf")
    with pytest.raises(WrongInput, match="has no model 'smal'; did you mean 'small'"):
        danlu.export_model(run, tmp_path / "hf", model="smal")
    with pytest.raises(WrongInput, match="is the folder of the model itself"):
        danlu.export_model(run / "model" / "small", run / "model" / "small")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("")
    with pytest.raises(WrongInput, match="mine exists and is not a model saved by danlu"):
        danlu.export_model(run, tmp_path / "mine")
    assert not (tmp_path / "hf").exists()
