"""Numbers as text: with their confidence intervals, and with as many digits as they need."""

from __future__ import annotations

from danlu.console.language import translated
from danlu.report.formatting import places
from danlu.results import Figure
from danlu.text.account import format_bytes


def with_interval(value: float, low: float | None, high: float | None, digits: int = 3, sign: str = "") -> str:
    """Return `value [low, high]`; the value alone where there is no interval.

    Args:
        sign: "+" shows the sign of positive numbers too, as differences have it.
    """
    bounds = "" if low is None or high is None else f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
    return f"{value:{sign}.{digits}f}{bounds}"


def metric(found: float | Figure | None) -> str:
    """Return a metric of an objective: a count as a whole number, any other with its interval where it has one."""
    if isinstance(found, Figure):
        if found.value is None or found.low is None or found.high is None:
            return metric(found.value)
        return with_interval(found.value, found.low, found.high, places(found.value))
    if found is None:
        return "–"
    return str(found) if isinstance(found, int) else f"{found:.{places(found)}f}"


def duration(seconds: float) -> str:
    """Return minutes and seconds, as in 12:05."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    return f"{minutes}:{rest:02d}"


def byte_size(count: float) -> str:
    """Return an amount of bytes, as in 1.2 MB."""
    return translated("size", format_bytes(count))
