"""A run directory like that of the demo: two models, one task, 300 steps, synthetic figures from a fixed seed."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

from danlu.durable import write_json, write_text

STEPS, TOKENS_PER_STEP = 300, 4096
CLASSES = ["asyncio", "concurrency", "data types", "file formats", "internet", "numeric", "persistence", "text"]
WRITTEN = " returns a new list of the items.\n\n   >>> sorted([3, 1, 2])\n   [1, 2, 3]\n"
READ = "Return Ġthe Ġnumber Ġof Ġitems Ġin Ġthe Ġqueue . ĊĊ If Ġthe Ġqueue Ġis Ġempty , Ġwait Ġuntil Ġan Ġitem"
MASKED = "[CLS] Raised Ġwhen [MASK] Ġoperation Ġor Ġfunction Ġis Ġapplied [MASK] Ġan Ġobject Ġof Ġqueue Ġtype . [SEP]"
DANGEROUS = "  return <script>alert('x')</script> & more\n\n    indented\x1b[0m\ttab"


def results() -> dict[str, Any]:
    return {
        "schema": 1,
        "version": "0.1.0",
        "recipe": "demo",
        "command": "danlu demo --out runs/demo",
        "started": "2026-11-23T23:50:00+00:00",
        "seconds": 612.3,
        "recipe_text": "corpus:\n  source: builtin:pydocs\npretrain:\n  - name: decoder\n    objective: causal\n",
        "corpus": {
            "source": "builtin:pydocs",
            "layout": "topic and module",
            "documents": {"in": 700, "kept": 690, "rejected": {"duplicate": 8, 'holds "odd" <bytes>': 2}},
            "splits": {
                "train": {"documents": 640, "bytes": 2_104_332, "tokens": 601_236},
                "validation": {"documents": 25, "bytes": 88_120, "tokens": 25_177},
                "test": {"documents": 25, "bytes": 90_431, "tokens": 25_837},
            },
            "near_duplicates": {
                "compared": {"train": {"documents": 640}, "validation": {"documents": 25}, "test": {"documents": 24}},
                "found": {"validation": {"documents": 1}, "test": {"documents": 3}},
            },
        },
        "tokenizer": {
            "kind": "byte_bpe",
            "size": 8192,
            "bytes_per_token": 3.5,
            "round_trip": True,
            "examples": [
                {
                    "text": "Return the number of items.\n",
                    "tokens": ["Return", "Ġthe", "Ġnumber", "Ġof", "Ġitems", ".", "Ċ"],
                },
                {"text": "丹炉 café", "tokens": ["ä¸", "¹", "çĤī", "Ġcaf", "Ã©"]},
            ],
        },
        "pretrain": [decoder(), encoder()],
        "tasks": [task()],
        "exports": [
            {
                "name": "decoder",
                "path": "model/decoder",
                "class": "Qwen3ForCausalLM",
                "max_logit_difference": 2.1e-06,
                "tolerance": 0.0001,
            },
            {
                "name": "encoder",
                "path": "model/encoder",
                "class": "ModernBertForMaskedLM",
                "max_logit_difference": 3.4e-06,
                "tolerance": 0.0001,
            },
        ],
        "environment": {
            "python": "3.11.7",
            "torch": "2.13.0+cpu",
            "cpu": "AMD EPYC 7B13",
            "cores": 2,
            "threads": 2,
            "dtype": "bfloat16 autocast",
            "os": "Linux",
        },
        "use": {
            "shell": [
                "danlu generate runs/demo/model/decoder 'The function'",
                "danlu predict runs/demo/tasks/library_part 'Open a file & read it'",
            ],
            "python": 'import danlu\n\nmodel = danlu.load("runs/demo/model/decoder")\nprint(model)\n',
        },
    }


def decoder() -> dict[str, Any]:
    words = READ.split()
    return {
        "name": "decoder",
        "objective": "causal",
        "architecture": "transformer",
        "parameters": 6_817_000,
        "tokens": 1_228_800,
        "epochs": 2.04,
        "steps": 300,
        "seconds": 290.0,
        "tokens_per_second": 4237.2,
        "best_step": 280,
        "bits_per_byte": 1.8374,
        "bits_per_byte_interval": [1.7912, 1.8866],
        "loss": 4.457,
        "perplexity": 86.2,
        "baselines": {"unigram": 4.873, "ngram5": 1.8612, "zstd": 2.4101, "zstd_primed": 1.9345},
        "test": {"documents": 25, "bytes": 90_431, "tokens": 25_837},
        "terms": {"causal": {"loss": 4.457, "accuracy": None}},
        "samples": [
            {"prompt": "The function", "text": WRITTEN, "settings": "temperature 0.8, top-p 0.95, seed 0"},
            {"prompt": "def read(self):\n", "text": DANGEROUS, "settings": "greedy"},
        ],
        "example": [{"stream": "text", "tokens": words, "targets": [*words[1:], None]}],
    }


def encoder() -> dict[str, Any]:
    tokens = MASKED.split()
    targets: list[str | None] = [None] * len(tokens)
    targets[3], targets[9], targets[13] = "Ġan", "Ġto", "Ġinappropriate"
    return {
        "name": "encoder",
        "objective": "masked",
        "architecture": "transformer",
        "parameters": 6_912_000,
        "tokens": 1_228_800,
        "epochs": 2.04,
        "steps": 300,
        "seconds": 270.4,
        "tokens_per_second": 4544.4,
        "best_step": 300,
        "bits_per_byte": None,
        "baselines": None,
        "loss": 3.214,
        "terms": {"masked": {"loss": 3.214, "accuracy": None}},
        "example": [{"stream": "text", "tokens": tokens, "targets": targets, "sequence_labels": {"follows": "1"}}],
        "judged": {
            "figures": {"retrieval": {"value": 0.417, "low": 0.39, "high": 0.44}, "uniformity": -2.25},
            "samples": [{"given": "a <b>the</b> cat", "made": "the cat"}],
            "pictures": [{"title": "a seven", "rows": [[0.0, 1.0, 1.0], [0.0, 0.0, 0.5]]}],
        },
    }


def task() -> dict[str, Any]:
    return {
        "name": "library_part",
        "model": "encoder",
        "metric": "accuracy",
        "labels": 16,
        "classes": CLASSES,
        "train_rows": 128,
        "dev_rows": 120,
        "chosen_by_dev": {"ours": {"learning_rate": 0.0005, "candidates": {}, "steps": [40, 60, 50]}},
        "test_rows": 480,
        "near_duplicates_removed": 310,
        "scores": {
            "ours": {"mean": 0.6125, "low": 0.5708, "high": 0.6521, "seeds": [0.6021, 0.6083, 0.6271]},
            "random_weights": {"mean": 0.4512, "low": 0.4083, "high": 0.4958, "seeds": [0.4396, 0.4500, 0.4640]},
            "tfidf": {"mean": 0.6313, "low": 0.5896, "high": 0.6729, "seeds": [0.6313]},
            "majority": {"mean": 0.125, "low": None, "high": None, "seeds": []},
        },
        "differences": {
            "random_weights": {"mean": 0.1613, "low": 0.1188, "high": 0.2042},
            "tfidf": {"mean": -0.0188, "low": -0.0521, "high": 0.0146},
        },
        "figures": {
            "ours": {"accuracy": 0.6125, "macro_f1": 0.5987},
            "random_weights": {"accuracy": 0.4512, "macro_f1": 0.4276},
        },
        "details": {
            "per_class": {
                "columns": ["precision", "recall", "f1", "rows"],
                "rows": {"network": [0.7391, 0.5667, 0.6415, 60], "files": [None, 0.0, 0.0, 60]},
            },
            "word_counts": {"columns": ["longest"], "rows": {"<b>": [4321]}},
        },
        "examples": [
            {"text": "Open a <b>socket</b> & read", "expected": "internet", "predicted": "text", "probability": 0.871},
            {"text": "Wait for the queue", "expected": "asyncio", "predicted": "concurrency"},
        ],
    }


def metrics() -> list[dict[str, Any]]:
    draw = random.Random(0)
    found = [
        record for name, floor in (("decoder", 4.4), ("encoder", 3.2)) for record in pretraining(name, floor, draw)
    ]
    for condition, floor in (("ours", 0.35), ("random_weights", 1.1)):
        for seed in range(3):
            for step in range(1, 61, 3):
                loss = floor + (2.08 - floor) * math.exp(-step / 18) + draw.gauss(0, 0.06)
                stage = f"finetune/library_part/{condition}-{seed}"
                found.append({"stage": stage, "kind": "train", "step": step, "loss": loss, "terms": {"label": loss}})
                if step % 20 == 1:
                    facts = {"loss": loss + 0.1, "accuracy": 1 - loss / 2.2}
                    found.append({"stage": stage, "kind": "validation", "step": step, **facts})
    return found


def pretraining(name: str, floor: float, draw: random.Random) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for step in range(5, STEPS + 1, 5):
        place = {"stage": f"pretrain/{name}", "step": step, "tokens": step * TOKENS_PER_STEP}
        loss = floor + (9.0 - floor) * math.exp(-step / 55)
        noisy = loss + draw.gauss(0, 0.08)
        found.append(
            {
                **place,
                "kind": "train",
                "loss": noisy,
                "terms": {name: noisy},
                "learning_rate": 3e-3,
                "gradient_norm": 0.8,
                "time": 1763900000.0 + step,
                "seconds": step * 0.97,
            }
        )
        if step % 20 == 0:
            record = {**place, "kind": "validation", "loss": loss + 0.05, "terms": {name: loss + 0.05}}
            found.append(record | ({"bits_per_byte": (loss + 0.05) * 0.412} if name == "decoder" else {}))
        if step % 100 == 0 and name == "decoder":
            found.append(
                {
                    **place,
                    "kind": "sample",
                    "prompt": "The function",
                    "text": f" is the the of {step}\n  and <b>the</b>",
                }
            )
    return found


def write_run(run: Path, changes: dict[str, Any] | None = None) -> Path:
    """Write the run directory; `changes` replace keys of results.json."""
    run.mkdir(parents=True, exist_ok=True)
    write_json(run / "results.json", results() | (changes or {}))
    write_text(run / "metrics.jsonl", "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in metrics()))
    return run
