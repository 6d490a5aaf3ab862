"""A small training job on the toy language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toy_language import VOCABULARY, ToySamples

from danlu.architectures import Network, build_network
from danlu.architectures.transformer import Transformer
from danlu.objectives.masked import Masked
from danlu.training.checkpoint import Checkpoints
from danlu.training.journal import Journal
from danlu.training.loop import Job
from danlu.training.plan import Plan
from danlu.training.precision import Machine
from danlu.training.settings import TrainingSettings

MACHINE = Machine("cpu", "float32", 1)
SMALL = Transformer(layers=1, width=8, heads=2, ffn_dim=16, context=16)
OBJECTIVE = Masked(rate=0.4)


OPENED: list[Journal] = []
"""Journals to close after each test."""


def network(seed: int = 0) -> Network:
    return build_network(OBJECTIVE, SMALL, VOCABULARY.size, seed)


def settings(**given: Any) -> TrainingSettings:
    return TrainingSettings.model_validate({"optimizer": "adamw", **given})


def job(folder: Path, steps: int = 6, chosen: TrainingSettings | None = None, every: int = 2, **more: Any) -> Job:
    folder.mkdir(parents=True, exist_ok=True)
    plan = Plan(steps, 4, 4, every, every, MACHINE)
    parts: dict[str, Any] = {
        "stage": "toy",
        "model": network(),
        "objective": OBJECTIVE,
        "samples": ToySamples(),
        "settings": chosen or settings(),
        "plan": plan,
        "checkpoints": Checkpoints(folder / "saved"),
        "journal": Journal(folder / "metrics.jsonl"),
    }
    found = Job(**(parts | more))
    OPENED.append(found.journal)
    return found
