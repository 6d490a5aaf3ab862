"""Predictions for single test rows, shown in results.json and the report."""

from __future__ import annotations

from dataclasses import dataclass

MAX_EXAMPLES = 20
MAX_CHARACTERS = 200


@dataclass(frozen=True)
class PredictionExample:
    """A test row and the prediction of the saved model for it."""

    text: str  # input, truncated
    expected: str
    predicted: str
    probability: float | None = None  # of the prediction; None if the model assigns none


def truncate(text: str, characters: int = MAX_CHARACTERS) -> str:
    """Return a text on one line, with an ellipsis in place of what exceeds `characters`."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"
