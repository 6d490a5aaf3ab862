"""`danlu neighbours` and `danlu cluster` on a small model of word vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_recipe import write_tiny_recipe

import danlu

OVERRIDES = [
    "tokenizer={name: word}",
    "models.small.objective={name: skipgram, unit_tokens: 64}",
    "models.small.architecture={name: bag, width: 16, tied: true}",
    "models.small.prompts=[]",
]


@pytest.fixture
def model(tmp_path):
    danlu.run(write_tiny_recipe(tmp_path), OVERRIDES, out=tmp_path / "run", quiet=True)
    return tmp_path / "run" / "model" / "small"


def test_neighbours_and_clusters(danlu_command, model, tmp_path):
    code, out, err = danlu_command("neighbours", model, "Furnace", "--top", 3, "--json")
    assert (code, err) == (0, [])
    found = json.loads(out)
    assert len(found) == 3
    assert all(-1 <= entry["cosine"] <= 1 and entry["token"] != "furnace" for entry in found)
    assert found == sorted(found, key=lambda entry: -entry["cosine"])
    code, out, err = danlu_command("neighbours", model, "furnase")
    assert code == 2
    assert err == ["danlu: 'furnase' is not in the vocabulary; did you mean 'furnace'?"]
    code, out, err = danlu_command(
        "cluster", model, tmp_path / "text.txt", "--k", 3, "--set", "documents=line", "--json"
    )
    assert code == 0
    groups = json.loads(out)
    assert sum(group["size"] for group in groups) == 50
    assert all(group["words"] and group["typical"] for group in groups)
    code, out, err = danlu_command("cluster", model, tmp_path / "text.txt", "--k", 3, "--set", "documents=line")
    assert code == 0
    assert out.splitlines()[0].split() == ["documents", "distinctive", "words", "most", "typical"]
    vectors = danlu.load(model).embed(["the furnace", "the mill"])
    assert vectors.shape == (2, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
