"""The text of a training in progress: its speed, remaining time, validations and samples."""

from __future__ import annotations

import time
from typing import Any

from danlu.console.formatting import duration
from danlu.console.language import message, translated
from danlu.training.plan import Plan

SAMPLE_CHARACTERS = 100


def record_text(record: dict[str, Any], plan: Plan) -> str | None:
    """Return the line of a validation, a sample or a warning; None for a training step, which `TrainingSpeed` shows."""
    at = {"stage": record["stage"], "step": record.get("step"), "steps": plan.steps}
    if record["kind"] == "warning":
        return translated("error", record["message"])
    if record["kind"] == "validation":
        if "bits_per_byte" in record:
            return message("training.validation_bits", loss=record["loss"], bits=record["bits_per_byte"], **at)
        return message("training.validation", loss=record["loss"], **at)
    if record["kind"] == "sample":
        text = " ".join((record["prompt"] + record["text"]).split())
        return message("training.sample", stage=record["stage"], text=text[:SAMPLE_CHARACTERS])
    return None


class TrainingSpeed:
    """The line of a training step, with the speed and the remaining time since the first step that was seen."""

    def __init__(self) -> None:
        self._first: tuple[str, int, float, int] | None = None  # stage, step, time, tokens

    def line(self, record: dict[str, Any], plan: Plan) -> str | None:
        """Return the line of a training record; None for the first one of a stage, which has no speed."""
        now = time.monotonic()
        if self._first is None or self._first[0] != record["stage"]:
            self._first = (record["stage"], record["step"], now, record["tokens"])
            return None
        _, step, start, tokens = self._first
        elapsed = max(now - start, 1e-9)
        loss = record["loss"]
        return message(
            "training.step",
            stage=record["stage"],
            step=record["step"],
            steps=plan.steps,
            loss=message("training.no_loss") if loss is None else f"{loss:.4f}",
            rate=(record["tokens"] - tokens) / elapsed,
            left=duration((plan.steps - record["step"]) * elapsed / max(1, record["step"] - step)),
        )
