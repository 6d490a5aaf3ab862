"""The compatibility matrix of objectives and architectures, and the message for an incompatible pair in a recipe."""

import json

import pytest

from danlu.config.compatibility import compatibility_matrix
from danlu.config.loading import load_recipe
from danlu.errors import WrongInput
from danlu.registry import architectures, objectives


def test_every_pair_has_one_entry_and_every_refusal_a_reason():
    pairs = compatibility_matrix()
    assert {(p.objective, p.architecture) for p in pairs} == {(o, a) for o in objectives for a in architectures}
    assert len(pairs) == len(objectives) * len(architectures)
    assert all(p.reason for p in pairs if not p.allowed)
    found = {(p.objective, p.architecture): p for p in pairs}
    assert found["causal", "transformer"].allowed
    assert found["masked", "recurrent"].reason == "with directions both"
    assert not found["permutation", "recurrent"].allowed


def test_the_command_prints_a_table_and_json(danlu_command):
    code, out, err = danlu_command("matrix")
    assert (code, err) == (0, [])
    assert "transformer" in out
    assert "no: permutation needs" in " ".join(out.split())
    code, out, _ = danlu_command("matrix", "--json")
    assert [set(entry) for entry in json.loads(out)] == [{"objective", "architecture", "allowed", "reason"}] * len(
        compatibility_matrix()
    )


def test_the_reason_covers_all_variants():
    reasons = {(pair.objective, pair.architecture): pair.reason for pair in compatibility_matrix() if not pair.allowed}
    assert reasons["spans", "convolutional"] == "spans needs a decoder with causal attention; convolutional has none"
    assert reasons["cbow", "recurrent"] == (
        "cbow needs an architecture with pointwise attention; recurrent offers causal, full"
    )
    assert reasons["mixture", "recurrent"] == (
        "mixture needs an architecture with causal and full attention at the same time; "
        "recurrent offers one or the other, depending on directions"
    )
    assert reasons["prefix", "bag"].startswith("prefix needs an architecture with attention in any order; bag")


def test_an_incompatible_pair_is_refused_before_data_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "corpus: {source: nowhere}\nmodels:\n  m:\n    objective: masked\n    architecture: recurrent\n", "utf-8"
    )
    with pytest.raises(WrongInput) as refused:
        load_recipe(str(path))
    line = str(refused.value)
    assert line.startswith(
        f"{path}:3: models.m: masked needs an architecture with full attention; recurrent offers causal; supported by: "
    )
    assert "recurrent with directions both" in line
    assert "transformer" in line
