"""Verdicts on two values from their numbers and intervals: better, worse or level, or none after a short training."""

from __future__ import annotations

from danlu.results import Difference, Sufficiency, TaskResult

BETTER, WORSE, LEVEL, SHORT = "better", "worse", "level", "short"
"""`SHORT`: the training was too short for a verdict."""


def of_difference(difference: Difference | None, higher_is_better: bool) -> str | None:
    """Return the verdict on a paired difference; None without an interval."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    if difference.low > 0:
        return BETTER if higher_is_better else WORSE
    if difference.high < 0:
        return WORSE if higher_is_better else BETTER
    return LEVEL  # also for an interval with a NaN end


def is_short(judged: Sufficiency | None) -> bool:
    """Whether a training was too short for a verdict; False for runs of earlier versions, which do not say."""
    return judged is not None and not judged.sufficient


def of_task(task: TaskResult, difference: Difference | None) -> str | None:
    """Return the verdict on a paired difference of a task: SHORT after a short training, None without an interval."""
    found = of_difference(difference, task.higher_is_better)
    return SHORT if found is not None and is_short(task.sufficiency) else found


def of_bits(bits: float, baseline: float) -> str:
    """Return the verdict on two values of bits per byte, without intervals."""
    if bits < baseline:
        return BETTER
    return WORSE if bits > baseline else LEVEL
