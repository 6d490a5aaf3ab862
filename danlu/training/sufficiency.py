"""Whether a training was long enough for its results to be judged: by steps, epochs and the slope of the held-out loss.

The thresholds and the measurements behind them are in docs/decisions/0018-too-short-to-judge.md.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from danlu.training.budget import Budget

STEPS = 100
"""A pre-training with fewer steps is too short."""

EPOCHS = 1.0
"""A pre-training with fewer epochs is too short while its held-out loss still falls."""

FALL = 0.2
"""The held-out loss still falls if a doubling of the steps lowers it by more than this, in nats per token for
language models."""

FINETUNING_STEPS = 50
"""A fine-tuning with fewer steps is too short."""

MARGIN = 1.25
"""Recommended times are longer than the estimates by this factor, because the speed of a machine varies."""

FEW_STEPS, FALLING, PRETRAINING = "steps", "loss", "pretraining"
"""The reasons for which a training is too short; `PRETRAINING`: the fine-tuned model was pre-trained too briefly."""


@dataclass(frozen=True)
class TrainingLog:
    """What the journal says about one training."""

    fall: float | None  # of the held-out loss per doubling of the steps
    seconds_per_step: float
    seconds_per_validation: float


def read_log(path: Path, start: int, stage: str) -> TrainingLog:
    """Read the records of one training from a journal, in which they begin at byte `start`.

    The training loss replaces the held-out loss if there are not two validations in the last doubling.
    """
    with path.open("rb") as file:
        file.seek(start)
        records = [record for line in file if (record := parse_record(line)).get("stage") == stage]
    fall = fall_per_doubling(losses(records, "validation"))
    if fall is None:
        fall = fall_per_doubling(losses(records, "train"))
    return TrainingLog(fall, seconds_per_step(records), seconds_per_validation(records))


def parse_record(line: bytes) -> dict[str, Any]:
    """Parse a line of the journal; {} for one that is damaged."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def losses(records: Sequence[Mapping[str, Any]], kind: str) -> list[tuple[int, float]]:
    """Return (step, loss) of the records of a kind that have a loss."""
    return [(r["step"], r["loss"]) for r in records if r["kind"] == kind and r.get("loss") is not None]


def fall_per_doubling(points: Sequence[tuple[int, float]]) -> float | None:
    """Return by how much the loss falls when the number of steps doubles.

    It is the slope of a least-squares line through (log2 of the step, loss) over the last doubling, with its sign
    changed; None without two points there.
    """
    last = [(math.log2(step), loss) for step, loss in points if 2 * step >= points[-1][0]]
    if len(last) < 2:
        return None
    slope, _ = statistics.linear_regression([at for at, _ in last], [loss for _, loss in last])
    return -slope


def seconds_per_step(records: Sequence[Mapping[str, Any]]) -> float:
    """Return the median time of a step, without validations and samples; 0 without records."""
    times = [
        (after["seconds"] - before["seconds"]) / (after["step"] - before["step"])
        for before, after in pairwise(records)
        if after["kind"] == "train" and after["step"] > before["step"]
    ]
    if times:
        return statistics.median(times)
    return records[-1]["seconds"] / records[-1]["step"] if records else 0.0


def seconds_per_validation(records: Sequence[Mapping[str, Any]]) -> float:
    """Return the median time of a validation with its sample; 0 without any."""
    last = {record["step"]: record["seconds"] for record in records}  # of the last record of each step
    trained = {record["step"]: record["seconds"] for record in records if record["kind"] == "train"}
    validated = {record["step"] for record in records if record["kind"] == "validation"}
    times = [last[step] - trained[step] for step in validated if step in trained]
    return statistics.median(times) if times else 0.0


def pretraining_sufficiency(
    steps: int, epochs: float, epoch_steps: int, log: TrainingLog, stopped: bool = False
) -> dict[str, Any]:
    """Judge a pre-training; return the facts for results.json.

    Args:
        steps: the steps that were trained.
        epochs: the epochs that were trained.
        epoch_steps: steps of one epoch.
        log: its journal.
        stopped: whether training stopped early because the held-out loss no longer fell, which is long enough.

    Returns:
        `needed_steps` is the least number of steps that is enough whatever the loss does.
    """
    reasons = [FEW_STEPS] if steps < STEPS and not stopped else []
    if not stopped and epochs < EPOCHS and log.fall is not None and log.fall > FALL:
        reasons.append(FALLING)
    return {
        "sufficient": not reasons,
        "reasons": reasons,
        "steps": steps,
        "epochs": epochs,
        "fall_per_doubling": log.fall,
        "epoch_steps": epoch_steps,
        "needed_steps": max(STEPS, math.ceil(EPOCHS * epoch_steps)),
    }


def finetuning_sufficiency(steps: int, epochs: float, epoch_steps: int, pretrained: bool) -> dict[str, Any]:
    """Judge the fine-tunings of a task by their steps and by whether the pre-training was `pretrained` long enough."""
    reasons = ([FEW_STEPS] if steps < FINETUNING_STEPS else []) + ([] if pretrained else [PRETRAINING])
    return {
        "sufficient": not reasons,
        "reasons": reasons,
        "steps": steps,
        "epochs": epochs,
        "fall_per_doubling": None,
        "epoch_steps": epoch_steps,
        "needed_steps": FINETUNING_STEPS,
    }


def needed_budget(budget: Budget, bought: int, needed: int, step: float, overhead: float = 0.0) -> Budget:
    """Return the budget that buys `needed` steps.

    Args:
        budget: the budget that was given.
        bought: the steps that it bought.
        needed: the steps that are needed.
        step: seconds of a step.
        overhead: seconds of everything else that a time budget pays for.

    Returns:
        For a time budget a time with a margin, rounded up; otherwise a number of steps.
    """
    if budget.unit != "seconds":
        return Budget(needed, "steps")
    seconds = max(budget.amount + (needed - bought) * step, needed * step + overhead)
    return Budget(MARGIN * seconds, "seconds")


def readable_budget(budget: Budget) -> str:
    """Format a budget as it is typed, such as `12min` or `400 steps`. Times are rounded up."""
    if budget.unit != "seconds":
        return str(budget)
    seconds = budget.amount
    unit = next((unit for limit, unit in ((120, 10), (1200, 60), (7200, 300)) if seconds <= limit), 3600)
    seconds = max(unit, math.ceil(seconds / unit - 1e-9) * unit)
    if seconds % 3600 == 0:
        return f"{seconds // 3600}h"
    return f"{seconds // 60}min" if seconds % 60 == 0 else f"{seconds}s"
