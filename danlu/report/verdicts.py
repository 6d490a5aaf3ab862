"""Verdicts on two values from their numbers and intervals: better, worse or level."""

from __future__ import annotations

from danlu.results import Difference

BETTER, WORSE, LEVEL = "better", "worse", "level"


def of_difference(difference: Difference | None, higher_is_better: bool) -> str | None:
    """Return the verdict on a paired difference; None without an interval."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    if difference.low > 0:
        return BETTER if higher_is_better else WORSE
    if difference.high < 0:
        return WORSE if higher_is_better else BETTER
    return LEVEL  # also for an interval with a NaN end


def of_bits(bits: float, baseline: float) -> str:
    """Return the verdict on two values of bits per byte, without intervals."""
    if bits < baseline:
        return BETTER
    return WORSE if bits > baseline else LEVEL
