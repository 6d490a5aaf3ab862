"""Which of two figures is the better one, in one of three words, from figures and intervals that are given."""

from __future__ import annotations

from danlu.results import Difference

BETTER, WORSE, LEVEL = "better", "worse", "level"
LOWER_IS_BETTER = frozenset({"loss", "error", "perplexity", "bits_per_byte", "mae", "mse", "rmse"})


def of_difference(difference: Difference | None, metric: str) -> str | None:
    """The verdict on ours against a control; None without an interval, because a lone number cannot say."""
    if difference is None or difference.low is None or difference.high is None:
        return None
    if difference.low > 0:
        return WORSE if metric in LOWER_IS_BETTER else BETTER
    if difference.high < 0:
        return BETTER if metric in LOWER_IS_BETTER else WORSE
    return LEVEL  # an interval with a NaN end lands here too: nothing clear can be said


def of_bits(bits: float, baseline: float) -> str:
    """The verdict on two numbers of bits per byte alone."""
    if bits < baseline:
        return BETTER
    return WORSE if bits > baseline else LEVEL
