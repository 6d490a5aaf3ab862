"""Formatting of numbers, which are only rounded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from danlu.report.phrases import Phrase, phrase

NOTHING = "–"
MINUS = "\N{MINUS SIGN}"


def number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return NOTHING
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: f"{MINUS}∞"}.get(value, "NaN")
    return f"{value:.{digits}f}".replace("-", MINUS)


def places(value: float) -> int:
    """Return the number of decimals: three, or more where a small number needs them for three significant digits."""
    return 3 if not value or not math.isfinite(value) else max(3, 2 - math.floor(math.log10(abs(value))))


def figure(value: float | None) -> str:
    """Format a number of any magnitude; integers are formatted as counts."""
    return count(value) if isinstance(value, int) else number(value, places(value or 0.0))


def signed(value: float | None, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return number(value, digits)
    return f"{value:+.{digits}f}".replace("-", MINUS)


def interval(ends: Sequence[float | None] | None, write=number) -> str:
    """Format `[low, high]`; empty if either end is unknown."""
    if ends is None or any(end is None for end in ends):
        return ""
    return "[" + ", ".join(write(end) for end in ends) + "]"


def with_interval(value: float | None, ends: Sequence[float | None] | None, write=number) -> str:
    return f"{write(value)} {interval(ends, write)}".rstrip()


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}"


def short_count(value: float | None) -> str:
    """Format 1200000 as 1.2M."""
    if value is None:
        return NOTHING
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def size(value: float | None) -> str:
    """Format bytes in decimal units."""
    if value is None:
        return NOTHING
    for unit, letters in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(value) >= unit:
            return f"{value / unit:.3g} {letters}"
    return f"{value:.0f} B"


def percent(share: float | None) -> str:
    """Format a share in whole percent."""
    return NOTHING if share is None else f"{100 * share:.0f} %"


def scientific(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1e}"


def duration(seconds: float | None) -> Phrase | str:
    if seconds is None:
        return NOTHING
    if seconds < 60:
        return phrase("duration.seconds", seconds=f"{seconds:.1f}")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return phrase("duration.hours", hours=str(hours), minutes=str(minutes))
    return phrase("duration.minutes", minutes=str(minutes), seconds=str(rest))


def approximate_duration(seconds: float) -> Phrase:
    """Format a duration in one unit: seconds, minutes or hours."""
    if seconds < 90:
        return phrase("duration.about_seconds", seconds=f"{max(1, seconds):.0f}")
    if seconds < 5400:
        return phrase("duration.about_minutes", minutes=f"{seconds / 60:.0f}")
    hours = seconds / 3600
    return phrase("duration.about_hours", hours=f"{hours:.1f}" if hours < 10 else f"{hours:.0f}")


def timestamp(when: datetime | None) -> str:
    """Format a time in UTC, or unchanged if it has no time zone."""
    if when is None:
        return NOTHING
    if when.tzinfo is None:
        return f"{when:%Y-%m-%d %H:%M}"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
