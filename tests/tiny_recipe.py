"""A recipe that runs from text to results in a second or two: one small model, no task, no export class."""

from __future__ import annotations

from pathlib import Path

RECIPE = """\
corpus: {{source: {source}, documents: line, validation: 0.2, test: 0.2}}
tokenizer: {{name: byte_bpe, size: 300}}
models:
  small:
    objective: causal
    architecture: {{name: transformer, layers: 1, width: 16, heads: 2, context: 16, activation: relu2}}
    training: {{budget: 6 steps, batch_tokens: 64, validations: 3, validation_tokens: 64}}
    prompts: ["The furnace"]
    sampling: {{tokens: 5}}
machine: {{dtype: float32, threads: 1}}
"""
PLACES = ("north of the river", "under the pines", "behind the mill", "by the old gate", "where the road ends")


def write_tiny_recipe(folder: Path) -> str:
    """Write `tiny.yaml` and the text it reads; return its path."""
    lines = [f"The furnace number {i} stands {PLACES[i % 5]} and burns for {i * 7 % 13} days." for i in range(50)]
    (folder / "text.txt").write_text("\n".join(lines), "utf-8")
    path = folder / "tiny.yaml"
    path.write_text(RECIPE.format(source=folder / "text.txt"), "utf-8")
    return str(path)
