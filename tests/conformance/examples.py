"""Small settings of every registered objective, architecture and task, for the toy data of the conformance suite.

Names without an entry here use their defaults; architectures use the sizes in `SMALL`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from danlu.registry import Registry, architectures, objectives, tasks

OBJECTIVES: dict[str, dict[str, Any]] = {
    "autoencoder": {"code": 6, "hidden": 24, "size": 5},
    "bidirectional": {},
    "causal": {},
    "latent_gan": {"reconstruct": {"longest": 6}, "noise": 4, "hidden": 8},
    "contrastive": {"views": "neighbours", "group": 2, "at_least": 2, "learned": True},
    "cbow": {"window": 1, "negatives": 2, "sample": None, "unit_tokens": 12},
    "clusters": {"k": 4, "unit_tokens": 12},
    "glove": {"window": 2, "most": 40, "unit_cells": 3},
    "masked": {"rate": 0.3},
    "masked_sentence": {"group": 2, "shortest": 1},
    "mixture": {"of": {"left": "causal", "both": {"name": "masked", "rate": 0.3}}, "shares": {"both": 2}},
    "next_sentence": {"form": "apart", "masked": False},
    "prefix": {},
    "relatedness": {},
    "sentence_order": {"masked": False},
    "permutation": {"share": 0.5},
    "replaced": {"rate": 0.3, "generator": {"width": 0.5}},
    "reconstruct": {"longest": 6},
    "translation": {
        "pairs": str(Path(__file__).with_name("toy_pairs.tsv")),
        "longest": 14,
        "masked": {"rate": 0.2, "replace": 1, "random": 0},
    },
    "patches": {"rate": 0.5},
    "image_text": {"group": 3, "templates": ["{english}", "数字{chinese}"], "max_tokens": 16},
    "skipgram": {"window": 1, "negatives": 2, "noise": 2, "sample": None, "unit_tokens": 12},
    "spans": {"rate": 0.3, "mean_span": 2, "sentinels": 4},
    "denoising": {"delete": 0.1},
}

NARROW = {"layers": 2, "width": 32, "embedding_width": 16, "heads": 2, "ffn_dim": 64, "context": 16}

SMALL = {"layers": 1, "width": 32, "heads": 2, "ffn_dim": 64, "context": 16}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bag": {"width": 16, "context": 16},
    "convolutional": {"layers": 2, "width": 16, "kernel": 17, "context": 16},
    "hybrid": {
        "mixers": ["convolution", "attention", "recurrent"],
        "layers": 3,
        "width": 16,
        "heads": 2,
        "ffn_dim": 32,
        "kernel": 3,
        "context": 16,
    },
    "recurrent": {"layers": 1, "width": 32, "context": 16},
    **dict.fromkeys(("bert", "gpt2", "llama", "modernbert", "qwen3", "roberta", "bart"), SMALL),
    **dict.fromkeys(("albert", "electra"), NARROW),
    "t5": SMALL | {"head_dim": 2},  # unscaled scores: with wide heads a saturated softmax would hide dependencies
    "transformer": {"layers": 2, "width": 16, "heads": 2, "ffn_dim": 32, "context": 16, "qk_norm": True},
}

TASKS: dict[str, dict[str, Any]] = {
    "classify": {"rows": {"train": "train.tsv", "test": "test.tsv"}, "labels_per_class": None, "max_tokens": 12},
}
"""Paths name the files that `labelled_toy_rows` writes."""

DEFAULTS: dict[str, tuple[Registry, dict[str, Any]]] = {
    "objective": (objectives, {}),
    "architecture": (architectures, SMALL),
    "task": (tasks, TASKS["classify"]),
}
"""Settings of names without an entry; those for which the class has no field are ignored."""


def example_of(kind: str, name: str, table: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the settings of a registered name.

    Raises AssertionError, with the entry to add, if a required field has no default.
    """
    if name in table:
        return {"name": name, **table[name]}
    registry, small = DEFAULTS[kind]
    fields = registry[name].model_fields
    if missing := [key for key, field in fields.items() if field.is_required() and key not in small]:
        raise AssertionError(
            f"the {kind} {name!r} has no default for {', '.join(missing)}: "
            f"add an entry with small settings for it to {kind.upper()}S in tests/conformance/examples.py"
        )
    return {"name": name, **{key: value for key, value in small.items() if key in fields}}


def labelled_toy_rows(folder: Path) -> None:
    """Write `train.tsv` and `test.tsv`: three classes, each identified by one word of the text."""
    for split, rows in (("train", 60), ("test", 30)):
        lines = ["text\tlabel"]
        for i in range(rows):
            label = ("iron", "tin", "gold")[i % 3]
            lines.append(f"{split} row {i}: {'the ' * (i % 4)}{label} melts\t{label}")
        (folder / f"{split}.tsv").write_text("\n".join(lines), "utf-8")
