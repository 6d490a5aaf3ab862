"""Figures and samples of replaced token detection.

Shapes: L tokens of one sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor


class DetectionCounts:
    """Counts of true and predicted replacements."""

    def __init__(self) -> None:
        self.total = self.replaced = self.predicted = self.true_positives = self.correct = 0
        self.generated = self.restored = 0

    def add(self, replaced: Tensor, predicted: Tensor) -> None:
        """Add tokens, given whether each is replaced and whether it is predicted to be, booleans [...]."""
        self.total += replaced.numel()
        self.replaced += int(replaced.sum())
        self.predicted += int(predicted.sum())
        self.true_positives += int((replaced & predicted).sum())
        self.correct += int((replaced == predicted).sum())

    def add_generated(self, different: Tensor) -> None:
        """Add tokens of the generator, given whether each differs from the original, booleans [...]."""
        self.generated += different.numel()
        self.restored += int((~different).sum())

    def figures(self) -> dict[str, float]:
        """Return accuracy, precision and recall of the detector, with baselines.

        The baseline of accuracy is predicting that no token is replaced; that of precision is the base rate, the
        precision of random predictions. `restored_by_generator` is the share of hidden tokens that the generator
        restores. Figures without observations are omitted.
        """
        shares = {
            "accuracy": (self.correct, self.total),
            "accuracy_suspecting_none": (self.total - self.replaced, self.total),
            "precision": (self.true_positives, self.predicted),
            "recall": (self.true_positives, self.replaced),
            "base_rate": (self.replaced, self.total),
            "restored_by_generator": (self.restored, self.generated),
        }
        return {name: count / total for name, (count, total) in shares.items() if total}


Decode = Callable[[Any], str]
"""A function that decodes ids to text."""


def render_blanks(tokens: np.ndarray, hidden: np.ndarray, decode: Decode) -> str:
    """Return the text of tokens [L] with ___ in place of hidden tokens (booleans [L])."""
    return _render(tokens, hidden, decode, lambda i: "___")


def render_marks(tokens: np.ndarray, replaced: np.ndarray, predicted: np.ndarray, decode: Decode) -> str:
    """Return the text of tokens with replaced tokens in brackets and a question mark after predicted replacements.

    Args:
        tokens: ids [L].
        replaced: whether a token is replaced, booleans [L].
        predicted: whether it is predicted to be replaced, booleans [L].
        decode: decodes ids to text.
    """

    def render(i: int) -> str:
        word = decode(tokens[i : i + 1])
        space = " " if word.startswith(" ") else ""
        return (f"{space}[{word.strip()}]" if replaced[i] else word) + "?" * bool(predicted[i])

    return _render(tokens, replaced | predicted, decode, render)


def _render(tokens: np.ndarray, special: np.ndarray, decode: Decode, render: Callable[[int], str]) -> str:
    """Decode tokens [L]: `special` ones (booleans [L]) by `render(index)`, the runs between them with `decode`."""
    pieces, start = [], 0
    for i in map(int, np.flatnonzero(special)):
        pieces += [decode(tokens[start:i]), render(i)]
        start = i + 1
    return "".join([*pieces, decode(tokens[start:])])
