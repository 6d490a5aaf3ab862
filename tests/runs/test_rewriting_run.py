"""A whole run of a model that rewrites text."""

from __future__ import annotations

import pytest
from tiny_recipe import write_tiny_recipe

import danlu
from danlu.tokens.tokenizer import TextTokenizer

SHAPE = "architecture={{name: {name}, layers: 1, width: 16, heads: 2, context: 24}}"
RUNS = {
    "spans": ("t5", "{name: spans, sentinels: 7}", "T5ForConditionalGeneration"),
    "denoising": ("bart", "{name: denoising, delete: 0.1}", "BartForConditionalGeneration"),
}


@pytest.mark.slow
@pytest.mark.parametrize("objective", RUNS)
def test_a_run_saves_a_model_that_rewrites_text(objective, tmp_path):
    architecture, settings, class_name = RUNS[objective]
    changed = [
        f"models.small.objective={settings}",
        f"models.small.{SHAPE.format(name=architecture)}",
        'models.small.prompts=["The ___ number 3"]',
        "models.small.sampling={tokens: 5, temperature: 0}",
    ]
    results = danlu.run(write_tiny_recipe(tmp_path), changed, out=tmp_path / "run")
    found = results["pretrain"][0]
    assert 0 <= found["judged"]["figures"]["token_accuracy"] <= 1
    assert [sample["given"] for sample in found["judged"]["samples"]] == ["The ___ number 3"]
    assert found["bits_per_byte"] is None
    assert results["exports"][0]["class"] == class_name
    assert results["exports"][0]["max_logit_difference"] <= 1e-4
    assert "danlu generate" in results["use"]["shell"][0]
    assert {shown["stream"] for shown in found["example"]} == {"source", "target"}
    sentinels = TextTokenizer.load(tmp_path / "run" / "tokenizer").vocabulary.sentinels
    assert len(sentinels) == (7 if objective == "spans" else 0)
    text = danlu.load(tmp_path / "run").generate("The ___ number 3", tokens=5, temperature=0)
    assert text == found["judged"]["samples"][0]["made"]
