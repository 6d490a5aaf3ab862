"""Successful commands and what they print on stdout."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_recipe import write_tiny_recipe

from danlu.config.loading import find_recipe, load_recipe, shipped_recipes


def test_recipes_lists_the_shipped_ones(danlu_command):
    code, out, err = danlu_command("recipes")
    assert (code, err) == (0, [])
    entries = [line for line in out.splitlines() if not line.startswith(" ")]
    assert [line.split()[0] for line in entries] == shipped_recipes()
    assert all(len(line.split()) > 3 for line in entries)
    assert max(map(len, out.splitlines())) <= 120
    for name in shipped_recipes():
        described = find_recipe(name)[0].splitlines()[0].removeprefix("# ")
        assert described in " ".join(out.split())


@pytest.mark.parametrize("name", shipped_recipes())
def test_recipes_prints_a_recipe_that_loads_equal(danlu_command, tmp_path, name):
    code, out, err = danlu_command("recipes", name)
    assert (code, err) == (0, [])
    (tmp_path / "mine.yaml").write_text(out, "utf-8")
    assert load_recipe("mine.yaml") == load_recipe(name)


def test_run_then_generate(danlu_command, tmp_path):
    tiny = write_tiny_recipe(tmp_path)
    code, out, err = danlu_command("run", tiny, "--out", "mine")
    assert code == 0
    assert out == "mine/report.html\n"
    assert (tmp_path / "mine" / "report.html").exists()
    assert any("bits per byte" in line for line in err)
    code, out, err = danlu_command("run", tiny, "--out", "mine", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "mine" / "results.json").read_text("utf-8"))
    results = json.loads(out)
    assert "mine" in results["command"]
    texts = []
    for _ in range(2):
        code, out, err = danlu_command("generate", "mine", "The furnace", "--tokens", 4, "--seed", 3)
        assert (code, err) == (0, [])
        texts.append(out)
    assert texts[0] == texts[1]
    assert texts[0].startswith("The furnace")


def test_a_run_without_out_is_written_to_runs(danlu_command, tmp_path):
    code, out, _ = danlu_command("run", write_tiny_recipe(tmp_path))
    assert (code, out) == (0, "runs/tiny/report.html\n")
    assert (tmp_path / "runs" / "tiny" / "results.json").exists()


def test_fill_and_embed(danlu_command, tmp_path):
    tiny = write_tiny_recipe(tmp_path)
    folders = {}
    for objective in ("causal", "masked"):
        assert danlu_command("run", tiny, f"models.small.objective={objective}", "--out", objective)[0] == 0
        folders[objective] = f"{objective}/model/small"
    code, out, err = danlu_command("fill", folders["masked"], "The <mask> is ___.", "--top", 3)
    assert (code, err) == (0, [])
    assert [line.partition(":")[0] for line in out.splitlines()] == ["blank 1", "blank 2"]
    code, out, _ = danlu_command("fill", folders["masked"], "The <mask>", "--json")
    assert len(json.loads(out)[0]) == 5
    code, _, err = danlu_command("fill", folders["causal"], "The <mask>")
    assert (code, len(err)) == (2, 1)
    (tmp_path / "lines.txt").write_text("one line\nanother\n", "utf-8")
    code, out, _ = danlu_command("embed", folders["masked"], "lines.txt")
    vectors = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len(vectors) == 2
    code, _, err = danlu_command("embed", folders["masked"], "lines.txt", "--out", "v.npy")
    assert err == [f"v.npy: 2 x {len(vectors[0])}"]
    assert np.load(tmp_path / "v.npy") == pytest.approx(np.array(vectors), abs=1e-5)
    (tmp_path / "none.txt").write_text("", "utf-8")
    code, _, err = danlu_command("embed", folders["masked"], "none.txt")
    assert (code, len(err)) == (2, 1)


def test_generate_as_json_with_a_stop(danlu_command, tmp_path):
    assert danlu_command("run", write_tiny_recipe(tmp_path), "--out", "mine")[0] == 0
    code, out, _ = danlu_command("generate", "mine", "The", "--json", "--tokens", 5, "--repetition-penalty", 1.2)
    assert code == 0
    assert json.loads(out)["text"].startswith("The")
